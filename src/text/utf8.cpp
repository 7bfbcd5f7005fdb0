#include "text/utf8.h"

#include <algorithm>
#include <array>

#include <unicode/uchar.h>

namespace ragtime::text {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr std::array kCjkRanges = {
    Range{0x1100, 0x11FF},   Range{0x3005, 0x3007}, Range{0x3021, 0x3029}, Range{0x3031, 0x3035},
    Range{0x3038, 0x303C},   Range{0x3041, 0x3096}, Range{0x309D, 0x309F}, Range{0x30A1, 0x30FA},
    Range{0x30FC, 0x30FF},   Range{0x3131, 0x318E}, Range{0x31F0, 0x31FF}, Range{0x3400, 0x4DBF},
    Range{0x4E00, 0x9FFF},   Range{0xA960, 0xA97C}, Range{0xAC00, 0xD7A3}, Range{0xD7B0, 0xD7FB},
    Range{0xF900, 0xFAFF},   Range{0xFF66, 0xFF9D}, Range{0xFFA0, 0xFFDC}, Range{0x1AFF0, 0x1B16F},
    Range{0x20000, 0x3FFFD},
};

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// Length of the well-formed sequence at `position` (Unicode 15, table 3-7), 0 when there is none.
std::size_t sequence_length(std::string_view bytes, std::size_t position) {
  const auto at = [&](std::size_t offset) -> unsigned char {
    return position + offset < bytes.size() ? static_cast<unsigned char>(bytes[position + offset]) : 0;
  };
  const unsigned char lead = at(0);
  const unsigned char second = at(1);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4 || !is_continuation(second)) return 0;
  if (lead < 0xE0) return 2;
  if (!is_continuation(at(2))) return 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && second < 0xA0;
    const bool surrogate = lead == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = lead == 0xF0 && second < 0x90;
  const bool beyond = lead == 0xF4 && second > 0x8F;
  return overlong || beyond || !is_continuation(at(3)) ? 0 : 4;
}

void skip_code_point(std::string_view utf8, std::size_t& position) {
  position += std::max<std::size_t>(1, sequence_length(utf8, position));
}

}  // namespace

bool is_valid_utf8(std::string_view bytes) {
  for (std::size_t position = 0; position < bytes.size();) {
    const std::size_t length = sequence_length(bytes, position);
    if (length == 0) return false;
    position += length;
  }
  return true;
}

std::size_t count_code_points(std::string_view utf8) {
  std::size_t count = 0;
  for (std::size_t position = 0; position < utf8.size(); ++count) skip_code_point(utf8, position);
  return count;
}

std::size_t byte_offset(std::string_view utf8, std::size_t index) {
  std::size_t position = 0;
  for (; index > 0 && position < utf8.size(); --index) skip_code_point(utf8, position);
  return position;
}

std::string_view slice_code_points(std::string_view utf8, std::size_t begin, std::size_t end) {
  if (end <= begin) return {};
  const std::string_view tail = utf8.substr(byte_offset(utf8, begin));
  return tail.substr(0, byte_offset(tail, end - begin));
}

char32_t next_code_point(std::string_view utf8, std::size_t& position) {
  const std::size_t length = sequence_length(utf8, position);
  const auto byte = [&](std::size_t offset) { return static_cast<unsigned char>(utf8[position + offset]); };
  char32_t code_point = 0xFFFD;
  switch (length) {
    case 1:
      code_point = byte(0);
      break;
    case 2:
      code_point = (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
      break;
    case 3:
      code_point = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
      break;
    case 4:
      code_point = (byte(0) & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
      break;
    default:
      break;
  }
  position += std::max<std::size_t>(1, length);
  return code_point;
}

std::string_view truncate_utf8(std::string_view utf8, std::size_t bytes) {
  if (utf8.size() <= bytes) return utf8;
  std::size_t end = bytes;
  while (end > 0 && bytes - end < 3 && is_continuation(static_cast<unsigned char>(utf8[end]))) --end;
  // In invalid text any byte may be a continuation byte; cut at the limit then.
  return utf8.substr(0, is_continuation(static_cast<unsigned char>(utf8[end])) ? bytes : end);
}

bool is_cjk(char32_t code_point) {
  if (code_point < kCjkRanges.front().first) return false;
  if (code_point >= 0x4E00 && code_point <= 0x9FFF) return true;
  const auto after = std::upper_bound(kCjkRanges.begin(), kCjkRanges.end(), code_point,
                                      [](char32_t value, const Range& range) { return value < range.first; });
  return code_point <= std::prev(after)->last;
}

double cjk_share(std::string_view utf8) {
  std::size_t letters = 0;
  std::size_t cjk = 0;
  for (std::size_t position = 0; position < utf8.size();) {
    const char32_t code_point = next_code_point(utf8, position);
    const bool is_cjk_letter = is_cjk(code_point);
    cjk += is_cjk_letter;
    letters += is_cjk_letter || u_isalpha(static_cast<UChar32>(code_point));
  }
  return letters == 0 ? 0 : static_cast<double>(cjk) / static_cast<double>(letters);
}

}  // namespace ragtime::text
