// What the kernel knows about a TCP connection. Safe from any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace ragtime::http {

// How many bytes of ours the peer's kernel has acknowledged since the connection was made; empty when not known.
std::optional<std::uint64_t> acknowledged_bytes(int socket);

}  // namespace ragtime::http
