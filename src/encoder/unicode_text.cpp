#include "encoder/unicode_text.h"

#include <array>
#include <cstdint>

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

int break_property(char32_t c) {
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

bool is_pictographic(char32_t c) {
  return c >= 0xA9 && u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC);
}

bool is_line_or_control(int property) {
  return property == U_GCB_CONTROL || property == U_GCB_CR || property == U_GCB_LF;
}

bool hangul_continues(int left, int right) {
  switch (left) {
    case U_GCB_L:
      return right == U_GCB_L || right == U_GCB_V || right == U_GCB_LV || right == U_GCB_LVT;
    case U_GCB_LV:
    case U_GCB_V:
      return right == U_GCB_V || right == U_GCB_T;
    case U_GCB_LVT:
    case U_GCB_T:
      return right == U_GCB_T;
    default:
      return false;
  }
}

// Walks a cluster character by character and says whether the next one still belongs to it.
class Cluster {
 public:
  explicit Cluster(char32_t first) : property_(break_property(first)), picture_(is_pictographic(first)) {
    indicators_ = property_ == U_GCB_REGIONAL_INDICATOR ? 1 : 0;
  }

  bool takes(char32_t next) {
    const int right = break_property(next);
    const bool takes = joins(right, next);
    // A picture stays joinable through its extenders and one joiner.
    joinable_ = picture_ && right == U_GCB_ZWJ;
    if (right != U_GCB_EXTEND && right != U_GCB_ZWJ) picture_ = is_pictographic(next);
    indicators_ = right == U_GCB_REGIONAL_INDICATOR ? indicators_ + 1 : 0;
    property_ = right;
    return takes;
  }

 private:
  bool joins(int right, char32_t next) const {
    if (property_ == U_GCB_CR && right == U_GCB_LF) return true;
    if (is_line_or_control(property_) || is_line_or_control(right)) return false;
    if (right == U_GCB_EXTEND || right == U_GCB_ZWJ || right == U_GCB_SPACING_MARK) return true;
    if (property_ == U_GCB_PREPEND || hangul_continues(property_, right)) return true;
    if (joinable_ && is_pictographic(next)) return true;
    return right == U_GCB_REGIONAL_INDICATOR && indicators_ % 2 == 1;
  }

  int property_;
  bool picture_;
  bool joinable_ = false;
  int indicators_ = 0;
};

}  // namespace

bool is_space(char32_t c) {
  return c < 0x80 ? c == ' ' || (c >= '\t' && c <= '\r') : u_isUWhiteSpace(static_cast<UChar32>(c)) != 0;
}

bool has_cjk(std::string_view utf8) {
  const auto size = static_cast<std::int32_t>(utf8.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(utf8.data(), i, size, c);
    UErrorCode status = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(c, &status);
    if (script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || script == USCRIPT_HANGUL) {
      return true;
    }
  }
  return false;
}

void append_utf8(char32_t c, std::string& out) {
  std::array<char, U8_MAX_LENGTH> buffer{};
  std::int32_t length = 0;
  U8_APPEND_UNSAFE(buffer.data(), length, static_cast<UChar32>(c));
  out.append(buffer.data(), static_cast<std::size_t>(length));
}

std::string_view valid_utf8(std::string_view text, std::string& storage) {
  if (text::is_valid_utf8(text)) return text;
  storage.clear();
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(text.data(), i, size, c);
    append_utf8(static_cast<char32_t>(c), storage);
  }
  return storage;
}

std::size_t grapheme_end(std::string_view utf8, std::size_t begin) {
  const auto ascii = [&](std::size_t i) { return static_cast<unsigned char>(utf8[i]) < 0x80; };
  // Between two ASCII characters a cluster always ends, but for CR LF.
  if (ascii(begin) && (begin + 1 == utf8.size() || (ascii(begin + 1) && utf8[begin] != '\r'))) return begin + 1;
  std::size_t end = begin;
  Cluster cluster(text::next_code_point(utf8, end));
  while (end < utf8.size()) {
    std::size_t after = end;
    if (!cluster.takes(text::next_code_point(utf8, after))) break;
    end = after;
  }
  return end;
}

}  // namespace ragtime::encoder
