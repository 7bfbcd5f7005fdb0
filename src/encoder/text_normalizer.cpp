#include "encoder/text_normalizer.h"

#include <memory>
#include <utility>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include "base/check.h"
#include "encoder/bert_normalizer.h"
#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

// The reference normalises with the tables of Unicode 9; newer characters stay as they are.
constexpr int kUnicodeVersion = 9;

const icu::Normalizer2* newest_normalizer(UnicodeForm form, UErrorCode& status) {
  switch (form) {
    case UnicodeForm::nfc:
      return icu::Normalizer2::getNFCInstance(status);
    case UnicodeForm::nfd:
      return icu::Normalizer2::getNFDInstance(status);
    case UnicodeForm::nfkc:
      return icu::Normalizer2::getNFKCInstance(status);
    case UnicodeForm::nfkd:
      break;
  }
  return icu::Normalizer2::getNFKDInstance(status);
}

bool is_known(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] <= kUnicodeVersion;
}

// A few characters changed category after Unicode 9.
bool is_combining_mark(char32_t c) {
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_M_MASK) != 0 && is_known(c);
}

// A normaliser with the set of characters that it works on.
struct FilteredForm {
  explicit FilteredForm(UnicodeForm form)
      : known(icu::UnicodeString("[:Age=9.0:]"), status), filtered(*newest_normalizer(form, status), known) {
    RAGTIME_CHECK(U_SUCCESS(status));
  }

  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeSet known;
  icu::FilteredNormalizer2 filtered;
};

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

std::string normalize_form(const icu::Normalizer2& form, const std::string& text) {
  if (is_ascii(text)) return text;
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString result = form.normalize(icu::UnicodeString::fromUTF8(text), status);
  RAGTIME_CHECK(U_SUCCESS(status));
  std::string out;
  result.toUTF8String(out);
  return out;
}

std::string replace_all(std::string_view text, const std::string& pattern, const std::string& content) {
  std::string out;
  for (;;) {
    const std::size_t found = text.find(pattern);
    out += text.substr(0, found);
    if (found == std::string_view::npos) return out;
    out += content;
    text.remove_prefix(found + pattern.size());
  }
}

template <class Matches>
std::string replace_runs_of(const std::string& text, Matches matches, std::size_t count_min,
                            const std::string& content) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    std::size_t count = 0;
    for (std::size_t after = begin; after < text.size(); end = after, ++count) {
      if (!matches(text::next_code_point(text, after))) break;
    }
    if (count == 0) text::next_code_point(text, end);
    if (count > 0 && count >= count_min) {
      out += content;
    } else {
      out.append(text, begin, end - begin);
    }
    begin = end;
  }
  return out;
}

std::string_view strip_left(std::string_view text) {
  for (std::size_t end = 0; !text.empty(); end = 0) {
    if (!is_space(text::next_code_point(text, end))) break;
    text.remove_prefix(end);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    std::size_t end = begin;
    if (!is_space(text::next_code_point(text, end))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

template <class Append>
std::string map_characters(const std::string& text, Append append) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) append(text::next_code_point(text, i), out);
  std::string utf8;
  for (const char32_t c : out) append_utf8(c, utf8);
  return utf8;
}

}  // namespace

std::string TextNormalizer::normalize(std::string text) const {
  for (const NormalizerStep& step : steps_) text = step(std::move(text));
  return text;
}

NormalizerStep apply_charsmap(Charsmap map) {
  return [map = std::make_shared<const Charsmap>(std::move(map))](const std::string& text) {
    return map->normalize(text);
  };
}

NormalizerStep apply_form(UnicodeForm form) {
  return [current = std::make_shared<const FilteredForm>(form)](const std::string& text) {
    return normalize_form(current->filtered, text);
  };
}

NormalizerStep replace_text(std::string pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](const std::string& text) {
    return replace_all(text, pattern, content);
  };
}

NormalizerStep replace_runs(char32_t character, std::size_t count_min, std::string content) {
  return [=, content = std::move(content)](const std::string& text) {
    const auto matches = [character](char32_t c) { return character == 0 ? is_space(c) : c == character; };
    return replace_runs_of(text, matches, count_min, content);
  };
}

NormalizerStep strip_space(bool left, bool right) {
  return [left, right](const std::string& text) {
    std::string_view rest = text;
    if (left) rest = strip_left(rest);
    if (right) rest = strip_right(rest);
    return std::string(rest);
  };
}

NormalizerStep strip_accents() {
  return [](const std::string& text) {
    return map_characters(text, [](char32_t c, std::u32string& out) {
      if (!is_combining_mark(c)) out += c;
    });
  };
}

NormalizerStep to_lower() {
  return [](const std::string& text) {
    return map_characters(text, [](char32_t c, std::u32string& out) { append_lower(c, out); });
  };
}

NormalizerStep prepend(std::string prefix) {
  return [prefix = std::move(prefix)](const std::string& text) { return text.empty() ? text : prefix + text; };
}

}  // namespace ragtime::encoder
