// UTF-8 as bytes: validation, code point counting, and conversion of offsets. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ragtime::text {

bool is_valid_utf8(std::string_view bytes);

// Number of code points; invalid bytes count one each.
std::size_t count_code_points(std::string_view utf8);

// Byte offset of the code point number `index`; utf8.size() when there are fewer.
std::size_t byte_offset(std::string_view utf8, std::size_t index);

// Code points [begin, end) of the text.
std::string_view slice_code_points(std::string_view utf8, std::size_t begin, std::size_t end);

// Decodes the code point at `position` and moves past it; U+FFFD for an invalid byte. Precondition: position < size.
char32_t next_code_point(std::string_view utf8, std::size_t& position);

// Longest prefix of at most `bytes` bytes that ends on a code point boundary.
std::string_view truncate_utf8(std::string_view utf8, std::size_t bytes);

// Han, Hiragana, Katakana, Hangul and their punctuation-free extensions.
bool is_cjk(char32_t code_point);

// Share of CJK among the letters of the text: 0 for English, 1 for Chinese.
double cjk_share(std::string_view utf8);

}  // namespace ragtime::text
