// Request targets: the path and query of a request line, checked and decoded (RFC 9112 § 3.2, RFC 3986).
//
// Pure functions; safe from any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ragtime::http {

struct Target {
  std::string raw_path;  // Still percent-encoded; what the router matches.
  std::string path;
  std::map<std::string, std::string> query;
};

// Accepts the origin form, the absolute form and "*". Errors: invalid_argument for a broken escape, and for a NUL,
// bytes that are not UTF-8, or a "." or ".." part after decoding.
Result<Target> parse_target(std::string_view target);

// Empty optional for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace ragtime::http
