#include "encoder/byte_level_words.h"

#include <array>
#include <cstdint>

#include <unicode/uchar.h>

#include "encoder/unicode_text.h"
#include "text/utf8.h"

namespace ragtime::encoder {
namespace {

enum class Kind : std::uint8_t { space, letter, number, other };

Kind classify(char32_t c) {
  if (is_space(c)) return Kind::space;
  const std::uint32_t category = U_GET_GC_MASK(static_cast<UChar32>(c));
  if ((category & U_GC_L_MASK) != 0) return Kind::letter;
  return (category & U_GC_N_MASK) != 0 ? Kind::number : Kind::other;
}

Kind kind_at(std::string_view utf8, std::size_t position) {
  return classify(text::next_code_point(utf8, position));
}

// The end of the run of one kind from `begin` on, and where its last character begins.
struct Run {
  std::size_t last;
  std::size_t end;
};

Run run_of(Kind kind, std::string_view utf8, std::size_t begin) {
  Run run{begin, begin};
  for (std::size_t after = begin; after < utf8.size();) {
    const std::size_t here = after;
    if (classify(text::next_code_point(utf8, after)) != kind) break;
    run = {here, after};
  }
  return run;
}

std::size_t contraction_length(std::string_view rest) {
  constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const std::string_view contraction : kContractions) {
    if (rest.starts_with(contraction)) return contraction.size();
  }
  return 0;
}

}  // namespace

std::size_t byte_level_word_end(std::string_view utf8, std::size_t begin) {
  if (utf8[begin] == '\'') {
    if (const std::size_t length = contraction_length(utf8.substr(begin)); length > 0) return begin + length;
  }
  // One space may stand before anything that is not space.
  const std::size_t start = begin + (utf8[begin] == ' ' ? 1 : 0);
  if (start < utf8.size()) {
    if (const Kind kind = kind_at(utf8, start); kind != Kind::space) return run_of(kind, utf8, start).end;
  }
  const Run spaces = run_of(Kind::space, utf8, begin);
  // The last of several spaces is left to the word behind them.
  return spaces.end == utf8.size() || spaces.last == begin ? spaces.end : spaces.last;
}

}  // namespace ragtime::encoder
