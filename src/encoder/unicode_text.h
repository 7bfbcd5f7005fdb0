// Unicode pieces that the tokenizers share. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime::encoder {

bool is_space(char32_t c);  // The property White_Space.
bool has_cjk(std::string_view utf8);
void append_utf8(char32_t c, std::string& out);

// `text` itself when it is valid; else a copy in `storage` with U+FFFD for what is not.
std::string_view valid_utf8(std::string_view text, std::string& storage);

// The end of the extended grapheme cluster (UAX 29) that begins at `begin` of a valid text; begin < size.
std::size_t grapheme_end(std::string_view utf8, std::size_t begin);

}  // namespace ragtime::encoder
