#include "encoder/bert_normalizer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "base/check.h"
#include "encoder/unicode_text.h"

namespace ragtime::encoder {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Range {
  char32_t first;
  char32_t last;
};

// The published tokenizer starts one block at 2B920, not at 2B820; parity wants the same.
constexpr std::array<Range, 8> kIdeographs = {{{0x4E00, 0x9FFF},
                                               {0x3400, 0x4DBF},
                                               {0x20000, 0x2A6DF},
                                               {0x2A700, 0x2B73F},
                                               {0x2B740, 0x2B81F},
                                               {0x2B920, 0x2CEAF},
                                               {0xF900, 0xFAFF},
                                               {0x2F800, 0x2FA1F}}};

bool is_ideograph(char32_t c) {
  return c >= 0x3400 && std::any_of(kIdeographs.begin(), kIdeographs.end(),
                                    [c](Range range) { return c >= range.first && c <= range.last; });
}

UChar32 icu(char32_t c) {
  return static_cast<UChar32>(c);
}

bool in_unicode_8(char32_t c) {
  UVersionInfo age;
  u_charAge(icu(c), age);
  return age[0] <= 8;
}

bool is_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const auto category = u_charType(icu(c));
  if (category == U_CONTROL_CHAR || category == U_PRIVATE_USE_CHAR) return true;
  return category == U_FORMAT_CHAR && in_unicode_8(c);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > 0x20 && c < 0x7F && !u_isalnum(icu(c));
  if (c == 0x166D || c == 0x111C9) return true;
  return u_ispunct(icu(c)) && in_unicode_8(c);
}

std::u32string decode(std::string_view utf8) {
  std::u32string out;
  out.reserve(utf8.size());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(utf8.data());
  const std::size_t size = utf8.size();
  for (std::size_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, i, size, c);
    out += static_cast<char32_t>(c);
  }
  return out;
}

std::u32string clean(const std::u32string& text) {
  std::u32string out;
  for (char32_t c : text) {
    if (c == 0 || c == kReplacement || is_control(c)) continue;
    out += is_space(c) ? U' ' : c;
  }
  return out;
}

std::u32string surround_ideographs(const std::u32string& text) {
  std::u32string out;
  for (char32_t c : text) {
    if (is_ideograph(c)) {
      out += {U' ', c, U' '};
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string strip_marks(const std::u32string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* nfd = icu::Normalizer2::getNFDInstance(status);
  const auto utf16 = icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                                   static_cast<std::int32_t>(text.size()));
  const icu::UnicodeString decomposed = nfd->normalize(utf16, status);
  RAGTIME_CHECK(U_SUCCESS(status));
  std::u32string out;
  for (std::int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
    const auto c = static_cast<char32_t>(decomposed.char32At(i));
    if (!is_nonspacing_mark(c)) out += c;
  }
  return out;
}

std::u32string lower(const std::u32string& text) {
  std::u32string out;
  for (char32_t c : text) append_lower(c, out);
  return out;
}

}  // namespace

// A few characters changed category after Unicode 8.
bool is_nonspacing_mark(char32_t c) {
  if (c == 0x1734) return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return u_charType(icu(c)) == U_NON_SPACING_MARK && in_unicode_8(c);
}

void append_lower(char32_t c, std::u32string& out) {
  if (c == 0x130) {  // The only character whose lower case is two characters everywhere.
    out += U"i\u0307";
  } else {
    out += static_cast<char32_t>(u_tolower(icu(c)));
  }
}

std::u32string BertNormalizer::normalize(std::string_view utf8) const {
  std::u32string text = decode(utf8);
  const bool ascii = std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
  if (options_.clean_text) text = clean(text);
  if (options_.split_cjk && !ascii) text = surround_ideographs(text);
  if (options_.strip_accents && !ascii) text = strip_marks(text);
  if (options_.lowercase) text = lower(text);
  return text;
}

std::vector<std::u32string> BertNormalizer::words(std::string_view utf8) const {
  std::vector<std::u32string> words;
  std::u32string word;
  const auto flush = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (char32_t c : normalize(utf8)) {
    if (is_space(c)) {
      flush();
    } else if (is_punctuation(c)) {
      flush();
      words.emplace_back(1, c);
    } else {
      word += c;
    }
  }
  flush();
  return words;
}

}  // namespace ragtime::encoder
