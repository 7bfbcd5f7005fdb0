// DNS: the addresses of a host and the servers of a service (SRV), for finding endpoints that come and go.
//
// Both calls block for as long as the system's resolver takes (some ten seconds at worst): run them on a thread pool.
// Thread safety: every function may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace ragtime::http {

// One server of a service, RFC 2782.
struct ServiceTarget {
  std::string host;  // Without the dot at its end.
  std::uint16_t port = 0;
  std::uint16_t priority = 0;  // Lower ones first.
  std::uint16_t weight = 0;
  bool operator==(const ServiceTarget&) const = default;
};

// Numeric IPv4 and IPv6 addresses (A, AAAA and the hosts file), sorted, each once.
// Errors: unavailable (no such host, or no answer).
Result<std::vector<std::string>> resolve_addresses(const std::string& host);

struct NameServer {
  std::string address;  // IPv4; empty: the system's.
  std::uint16_t port = 53;
};

// The targets of a name such as "_http._tcp.models.internal", sorted. "." as the only target means: no such service.
// Errors: unavailable (no such name, no answer, a broken answer).
Result<std::vector<ServiceTarget>> resolve_service(const std::string& name, const NameServer& server = {});

// The targets in a DNS message. Errors: corrupt.
Result<std::vector<ServiceTarget>> parse_service_answer(std::span<const unsigned char> message);

}  // namespace ragtime::http
