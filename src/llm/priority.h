// Priority: who is served first where requests wait: for a place on the server, and for an endpoint of a pool.
#pragma once

#include <cstdint>

namespace ragtime::llm {

enum class Priority : std::uint8_t { low, normal, high };

}  // namespace ragtime::llm
