// JSON for people: indented, with numbers written as short as they round-trip (0.7, not 7E-1).
//
// Thread safety: pure functions.
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace ragtime::server {

std::string pretty_json(const boost::json::value& value);
// The shortest text that reads back as the same number; always with a point or exponent.
std::string number_text(double value);

}  // namespace ragtime::server
