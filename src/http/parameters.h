// `value; name=token; name="quoted"`: the form of Content-Type and Content-Disposition (RFC 9110 § 5.6.6).
//
// Pure functions; safe from any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ragtime::http {

struct ParameterisedValue {
  std::string value;                          // Lower case.
  std::map<std::string, std::string> params;  // Names in lower case; the first of repeated ones wins.
};

// Empty optional for bad syntax.
std::optional<ParameterisedValue> parse_parameters(std::string_view text);

}  // namespace ragtime::http
