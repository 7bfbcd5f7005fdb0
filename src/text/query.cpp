#include "text/query.h"

#include <algorithm>
#include <utility>

#include <unicode/uchar.h>

#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::text {
namespace {

constexpr std::string_view kFullWidthQuote = "＂";

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = line.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kSpace) - begin + 1);
}

// Letters of scripts that put spaces between words.
bool is_spaced_letter(char32_t c) {
  return !is_cjk(c) && u_isalnum(static_cast<UChar32>(c));
}

bool letter_begins(std::string_view text, std::size_t at) {
  return at < text.size() && is_spaced_letter(next_code_point(text, at));
}

bool letter_ends(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  std::size_t begin = at - 1;
  while (begin > 0 && at - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return is_spaced_letter(next_code_point(text, begin));
}

bool cuts_a_word(std::string_view text, std::size_t at) {
  return letter_ends(text, at) && letter_begins(text, at);
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

// What stands between pairs of quotes.
std::vector<std::string_view> quoted_parts(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t open = text.find('"'); open != std::string_view::npos;) {
    const std::size_t close = text.find('"', open + 1);
    if (close == std::string_view::npos) break;
    parts.push_back(text.substr(open + 1, close - open - 1));
    open = text.find('"', close + 1);
  }
  return parts;
}

// A Chinese word of two characters is three terms, so that beside it a word or number of letters counts three times.
constexpr std::size_t kLetterWeight = 3;

bool is_chinese(std::string_view term) {
  std::size_t at = 0;
  return !term.empty() && is_cjk(next_code_point(term, at));
}

std::vector<std::string> query_terms(std::string_view text) {
  std::vector<std::string> terms = index_terms(text);
  if (std::none_of(terms.begin(), terms.end(), is_chinese)) return terms;
  const std::size_t count = terms.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (is_chinese(terms[i])) continue;
    for (std::size_t more = 1; more < kLetterWeight; ++more) terms.push_back(terms[i]);
  }
  return terms;
}

}  // namespace

UserWords::UserWords(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = trimmed(lines.substr(0, end));
    if (!line.empty() && line.front() != '#') add(line);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void UserWords::add(std::string_view word) {
  std::string folded = fold(trimmed(word));
  if (folded.empty()) return;
  bytes_max_ = std::max(bytes_max_, folded.size());
  words_.insert(std::move(folded));
}

std::vector<std::string> UserWords::find_in(std::string_view utf8) const {
  std::vector<std::string> found;
  if (words_.empty()) return found;
  const std::string text = fold(utf8);
  for (std::size_t at = 0; at < text.size();) {
    std::size_t next = at;
    next_code_point(text, next);
    std::size_t end = cuts_a_word(text, at) ? at : std::min(text.size(), at + bytes_max_);
    for (; end > at; --end) {
      const std::string candidate = text.substr(at, end - at);
      if (words_.contains(candidate) && !cuts_a_word(text, end)) {
        found.push_back(candidate);
        break;
      }
    }
    at = std::max(end, next);
  }
  return found;
}

SearchTerms parse_query(std::string_view utf8, const UserWords& words) {
  std::string text(utf8);
  replace_all(text, kFullWidthQuote, "\"");
  SearchTerms query;
  for (const std::string_view part : quoted_parts(text)) {
    if (auto terms = phrase_terms(part); !terms.empty()) query.phrases.push_back(std::move(terms));
  }
  replace_all(text, "\"", " ");
  query.terms = query_terms(text);
  for (const std::string& word : words.find_in(text)) {
    if (auto terms = phrase_terms(word); terms.size() > 1) query.words.push_back(std::move(terms));
  }
  return query;
}

}  // namespace ragtime::text
