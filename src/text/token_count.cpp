#include <cstdint>

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include "text/chunker.h"
#include "text/utf8.h"

namespace ragtime::text {
namespace {

// What characters form one run, and how many of them make a token. Words are runs of their own and their last token is
// rarely full, so five letters here are about four of a whole text.
struct RunKind {
  int kind;
  int per_token;
};
constexpr RunKind kSpace{0, 0};
constexpr RunKind kLatinLetter{1, 5};
constexpr RunKind kDigit{2, 3};
constexpr RunKind kOtherLetter{3, 2};
constexpr RunKind kSingle{4, 1};
constexpr int kRepeatedSign = 16;  // Plus the sign itself: a ruler of dashes is a few tokens.

RunKind ascii_kind(char32_t c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return kLatinLetter;
  if (c >= '0' && c <= '9') return kDigit;
  if (c <= ' ' || c == 0x7F) return kSpace;
  return {kRepeatedSign + static_cast<int>(c), 4};
}

RunKind kind_of(char32_t c) {
  if (c < 0x80) return ascii_kind(c);
  if (is_cjk(c)) return kSingle;
  const auto unicode = static_cast<UChar32>(c);
  if (u_isUWhiteSpace(unicode)) return kSpace;
  if (!u_isalpha(unicode)) return kSingle;
  UErrorCode status = U_ZERO_ERROR;
  return uscript_getScript(unicode, &status) == USCRIPT_LATIN ? kLatinLetter : kOtherLetter;
}

}  // namespace

int count_tokens(std::string_view utf8) {
  int tokens = 0;
  int run_kind = kSpace.kind;
  int run_length = 0;
  for (std::size_t position = 0; position < utf8.size();) {
    const RunKind kind = kind_of(next_code_point(utf8, position));
    run_length = kind.kind == run_kind ? run_length + 1 : 0;
    run_kind = kind.kind;
    if (kind.per_token > 0 && run_length % kind.per_token == 0) ++tokens;
  }
  return tokens;
}

}  // namespace ragtime::text
