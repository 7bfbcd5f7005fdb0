// Absolute http and https URLs, taken apart for a client. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ragtime::http {

struct Url {
  bool tls = false;
  std::string host;    // Without the brackets of an IPv6 address.
  std::string port;    // Decimal; the scheme's own when the URL names none.
  std::string target;  // Path and query, still encoded; at least "/".

  // "https://host:port": what two URLs share that may share a connection and credentials.
  std::string origin() const;
  // The Host field: the port only where it is not the scheme's own.
  std::string host_field() const;
};

// Errors: invalid_argument, also for user information in the URL.
Result<Url> parse_url(std::string_view text);

// The URL of a redirect: `location`, relative to `base`, as an absolute URL.
Result<std::string> resolve_url(std::string_view base, std::string_view location);

}  // namespace ragtime::http
