// Format: which parser a file needs, from its first bytes and then from its name. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace ragtime::documents {

// The values travel between a parser and its worker.
enum class Format : std::uint8_t {
  plain_text = 0,
  code = 1,
  delimited = 2,  // CSV and TSV.
  markdown = 3,
  html = 4,
  pdf = 5,
  zip = 6,  // DOCX, or another package that is refused by name.
  ole = 7,  // Word 97, or an encrypted DOCX.
};
inline constexpr Format kFormatLast = Format::ole;

// What an extension says: "cpp" and "text/x-c++" for "main.cpp"; empty strings where it says nothing.
struct NameHint {
  Format format = Format::plain_text;
  std::string_view language;
  std::string_view media_type;
  bool known = false;
};
NameHint hint_from_name(std::string_view filename);

// As many of a file's first bytes as detect_format() looks at.
inline constexpr std::size_t kHeadBytes = 64u << 10;

// Errors: invalid_argument (empty), unsupported (binary, or a known kind without a parser).
Result<Format> detect_format(std::string_view head, std::string_view filename);

}  // namespace ragtime::documents
