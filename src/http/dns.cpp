#include "http/dns.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <tuple>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

namespace ragtime::http {
namespace {

constexpr std::size_t kMessageBytesMax = 64u << 10;
constexpr std::size_t kServiceFixedBytes = 6;  // Priority, weight, port.

std::string numeric(const addrinfo& found) {
  std::array<char, NI_MAXHOST> text{};
  const int failed =
      ::getnameinfo(found.ai_addr, found.ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  return failed == 0 ? text.data() : "";
}

// A resolver of our own, since the global one belongs to nobody.
class Resolver {
 public:
  explicit Resolver(const NameServer& server) {
    good_ = ::res_ninit(&state_) == 0;
    if (!good_ || server.address.empty()) return;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port);
    good_ = ::inet_pton(AF_INET, server.address.c_str(), &address.sin_addr) == 1;
    state_.nsaddr_list[0] = address;
    state_.nscount = 1;
  }
  ~Resolver() { ::res_nclose(&state_); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The answer's bytes; negative on failure.
  int search(const std::string& name, int type, std::vector<unsigned char>& answer) {
    if (!good_) return -1;
    return ::res_nsearch(&state_, name.c_str(), ns_c_in, type, answer.data(), static_cast<int>(answer.size()));
  }

 private:
  struct __res_state state_ {};
  bool good_ = false;
};

Error broken() {
  return make_error(ErrorCode::corrupt, "the name server sent an answer that cannot be read");
}

Result<ServiceTarget> parse_target(ns_msg message, ns_rr record) {
  const unsigned char* data = ns_rr_rdata(record);
  if (ns_rr_rdlen(record) <= kServiceFixedBytes) return broken();
  ServiceTarget out;
  out.priority = static_cast<std::uint16_t>(ns_get16(data));
  out.weight = static_cast<std::uint16_t>(ns_get16(data + 2));
  out.port = static_cast<std::uint16_t>(ns_get16(data + 4));
  std::array<char, NS_MAXDNAME> host{};
  const int length = ::dn_expand(ns_msg_base(message), ns_msg_end(message), data + kServiceFixedBytes, host.data(),
                                 static_cast<int>(host.size()));
  if (length < 0) return broken();
  out.host = host.data();
  return out;
}

}  // namespace

Result<std::vector<std::string>> resolve_addresses(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;  // Else every address comes once for each kind of socket.
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (failed != 0) {
    return make_error(ErrorCode::unavailable, "cannot resolve " + host + ": " + ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (std::string address = numeric(*at); !address.empty()) out.push_back(std::move(address));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::vector<ServiceTarget>> resolve_service(const std::string& name, const NameServer& server) {
  Resolver resolver(server);
  std::vector<unsigned char> answer(kMessageBytesMax);
  const int length = resolver.search(name, ns_t_srv, answer);
  if (length < 0) return make_error(ErrorCode::unavailable, "cannot resolve the service " + name);
  const auto bytes = std::min(static_cast<std::size_t>(length), answer.size());
  auto targets = parse_service_answer(std::span(answer).first(bytes));
  if (targets.has_error()) return make_error(ErrorCode::unavailable, name + ": " + targets.error().message);
  return targets;
}

Result<std::vector<ServiceTarget>> parse_service_answer(std::span<const unsigned char> bytes) {
  ns_msg message;
  if (::ns_initparse(bytes.data(), static_cast<int>(bytes.size()), &message) != 0) return broken();
  std::vector<ServiceTarget> out;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (::ns_parserr(&message, ns_s_an, i, &record) != 0) return broken();
    if (ns_rr_type(record) != ns_t_srv) continue;
    RAGTIME_TRY(ServiceTarget target, parse_target(message, record));
    if (!target.host.empty() && target.host != ".") out.push_back(std::move(target));
  }
  std::sort(out.begin(), out.end(), [](const ServiceTarget& a, const ServiceTarget& b) {
    return std::tie(a.priority, a.host, a.port) < std::tie(b.priority, b.host, b.port);
  });
  return out;
}

}  // namespace ragtime::http
