// Reading the table of settings from TOML text.
//
// Thread safety: a pure function.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "server/configuration.h"

namespace ragtime::server {

struct ParsedToml {
  Configuration settings;
  std::map<std::string, std::size_t> lines;  // Dotted path of each key that was given → its line.
};

// Every value checked by its own rules; rules that span fields are not checked here.
// Errors: invalid_argument, the message begins with NAME:LINE.
Result<ParsedToml> read_toml(std::string_view text, const std::string& name, const Environment& environment);

}  // namespace ragtime::server
