#include "llm/json_cursor.h"

#include <bit>
#include <bitset>
#include <charconv>
#include <cstring>

namespace ragtime::llm {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ull;
constexpr std::uint64_t kHighs = 0x8080808080808080ull;

// How many of the eight bytes come before the first quote, backslash or control character.
std::size_t plain_bytes(const char* bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, 8);
  const auto zero_in = [](std::uint64_t v) { return (v - kOnes) & ~v & kHighs; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word & kHighs;
  // A borrow makes false marks only above a true one, so the lowest is right.
  const std::uint64_t marks = zero_in(word ^ (kOnes * '"')) | zero_in(word ^ (kOnes * '\\')) | control;
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

constexpr std::size_t kBlockBytes = 16;

// Whether the block holds a quote, a backslash or a control character.
bool has_mark(const char* bytes) {
  using Block = unsigned char __attribute__((vector_size(kBlockBytes)));
  static_assert(sizeof(Block) == kBlockBytes);
  Block block;
  std::memcpy(&block, bytes, kBlockBytes);
  const auto marks = (block == '"') | (block == '\\') | (block < 0x20);
  std::uint64_t words[2];
  std::memcpy(words, &marks, kBlockBytes);
  return (words[0] | words[1]) != 0;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

std::uint32_t hex_value(std::string_view digits) {
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

// The code point at "\uXXXX" (position at the backslash), which may be one of a pair.
char32_t take_unicode_escape(std::string_view raw, std::size_t& position) {
  const std::uint32_t high = hex_value(raw.substr(position + 2, 4));
  position += 6;
  if (high < 0xD800 || high > 0xDFFF) return high;
  if (high > 0xDBFF || raw.substr(position, 2) != "\\u") return 0xFFFD;
  const std::uint32_t low = hex_value(raw.substr(position + 2, 4));
  if (low < 0xDC00 || low > 0xDFFF) return 0xFFFD;
  position += 6;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

void append_utf8(std::string& out, char32_t point) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

char simple_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

bool JsonCursor::fail() {
  failed_ = true;
  return false;
}

char JsonCursor::peek() {
  if (failed_) return '\0';
  skip_space();
  return position_ < text_.size() ? text_[position_] : '\0';
}

bool JsonCursor::at_end() {
  return !failed_ && peek() == '\0' && position_ == text_.size();
}

bool JsonCursor::enter(char open) {
  if (peek() != open) return false;
  ++position_;
  first_ = true;
  return true;
}

bool JsonCursor::enter_object() {
  return enter('{');
}

bool JsonCursor::enter_array() {
  return enter('[');
}

bool JsonCursor::next(char close) {
  if (failed_) return false;
  skip_space();
  if (take(close)) {
    first_ = false;
    return false;
  }
  if (!first_ && !take(',')) return fail();
  first_ = false;
  skip_space();
  return true;
}

bool JsonCursor::next_member(std::string_view& key) {
  if (!next('}')) return false;
  const std::size_t begin = position_ + 1;
  if (!pass_string()) return fail();
  key = text_.substr(begin, position_ - 1 - begin);
  skip_space();
  if (!take(':')) return fail();
  if (escaped_) {
    key_ = decode_json_string(key);
    key = key_;
  }
  return true;
}

bool JsonCursor::next_element() {
  return next(']');
}

bool JsonCursor::pass_key() {
  if (!pass_string()) return false;
  skip_space();
  return take(':');
}

bool JsonCursor::pass_string() {
  if (!take('"')) return false;
  escaped_ = false;
  const char* const text = text_.data();
  while (true) {
    while (position_ + kBlockBytes <= text_.size() && !has_mark(text + position_)) position_ += kBlockBytes;
    while (position_ + 8 <= text_.size()) {
      const std::size_t plain = plain_bytes(text + position_);
      position_ += plain;
      if (plain < 8) break;
    }
    if (position_ >= text_.size()) return false;
    const auto c = static_cast<unsigned char>(text[position_]);
    if (c == '"') {
      ++position_;
      return true;
    }
    if (c < 0x20) return false;
    if (c != '\\') {
      ++position_;
    } else if (!pass_escape()) {
      return false;
    }
  }
}

bool JsonCursor::pass_escape() {
  escaped_ = true;
  const char c = position_ + 1 < text_.size() ? text_[position_ + 1] : '\0';
  if (c == 'u') {
    if (position_ + 6 > text_.size()) return false;
    for (std::size_t i = 2; i < 6; ++i) {
      if (!is_hex(text_[position_ + i])) return false;
    }
    position_ += 6;
    return true;
  }
  if (c == '\0' || std::strchr("\"\\/bfnrt", c) == nullptr) return false;
  position_ += 2;
  return true;
}

bool JsonCursor::pass_digits() {
  const std::size_t begin = position_;
  while (position_ < text_.size() && is_digit(text_[position_])) ++position_;
  return position_ > begin;
}

bool JsonCursor::pass_number() {
  take('-');
  if (!take('0') && !pass_digits()) return false;
  if (take('.') && !pass_digits()) return false;
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    return pass_digits();
  }
  return true;
}

bool JsonCursor::pass_word(std::string_view word) {
  if (text_.substr(position_, word.size()) != word) return false;
  position_ += word.size();
  return true;
}

bool JsonCursor::pass_scalar() {
  switch (position_ < text_.size() ? text_[position_] : '\0') {
    case '"':
      return pass_string();
    case 't':
      return pass_word("true");
    case 'f':
      return pass_word("false");
    case 'n':
      return pass_word("null");
    default:
      return pass_number();
  }
}

// From an opening bracket to the one that closes it.
bool JsonCursor::pass_nested() {
  std::bitset<kDepthMax> objects;  // By depth: an object, else an array.
  std::size_t depth = 0;
  bool opened = false;  // Just behind an opening bracket.
  while (true) {
    skip_space();
    const char c = position_ < text_.size() ? text_[position_] : '\0';
    const bool closes = depth > 0 && c == (objects[depth - 1] ? '}' : ']');
    if (closes) {
      ++position_;
      opened = false;
      if (--depth == 0) return true;
      continue;
    }
    if (depth > 0) {
      if (!opened && !take(',')) return false;
      skip_space();
      if (objects[depth - 1] && !pass_key()) return false;
      skip_space();
    }
    const char value = position_ < text_.size() ? text_[position_] : '\0';
    opened = value == '{' || value == '[';
    if (!opened) {
      if (!pass_scalar()) return false;
      continue;
    }
    if (depth == kDepthMax) return false;
    objects[depth++] = value == '{';
    ++position_;
  }
}

std::string_view JsonCursor::skip_value() {
  const char c = peek();
  const std::size_t begin = position_;
  if (failed_) return {};
  const bool passed = c == '{' || c == '[' ? pass_nested() : pass_scalar();
  if (!passed) {
    fail();
    return {};
  }
  first_ = false;
  return text_.substr(begin, position_ - begin);
}

std::optional<std::string_view> JsonCursor::raw_string() {
  const bool is_string = peek() == '"';
  const std::string_view value = skip_value();
  if (!is_string || failed_) return std::nullopt;
  return value.substr(1, value.size() - 2);
}

std::optional<std::int64_t> JsonCursor::integer() {
  const std::string_view value = skip_value();
  std::int64_t number = 0;
  const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value.empty() || status != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return number;
}

std::optional<bool> JsonCursor::boolean() {
  const std::string_view value = skip_value();
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::string decode_json_string(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t position = 0; position < raw.size();) {
    const std::size_t escape = raw.find('\\', position);
    out += raw.substr(position, escape - position);
    if (escape == std::string_view::npos || escape + 1 >= raw.size()) break;
    position = escape;
    if (raw[position + 1] == 'u') {
      append_utf8(out, take_unicode_escape(raw, position));
    } else {
      out += simple_escape(raw[position + 1]);
      position += 2;
    }
  }
  return out;
}

bool json_string_is(std::string_view raw, std::string_view text) {
  // Escapes only make a string longer.
  if (raw.size() <= text.size()) return raw == text;
  return raw.find('\\') != std::string_view::npos && decode_json_string(raw) == text;
}

std::string encode_json_string(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace ragtime::llm
