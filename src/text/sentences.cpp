#include <algorithm>
#include <array>
#include <memory>

#include <unicode/brkiter.h>
#include <unicode/filteredbrk.h>
#include <unicode/utext.h>

#include "base/check.h"
#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::text {
namespace {

// A line this wide was filled, not ended; columns, a CJK character has two.
constexpr std::size_t kFilledLineColumns = 50;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// "- item", "* item", "12. item", "3) item", "| cell", "# heading", "> quote".
bool starts_structure(std::string_view line) {
  line = trim_left(line);
  if (line.empty()) return true;
  if (line.starts_with("•") || line.starts_with("·")) return true;
  const std::size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  const std::string_view rest = line.substr(digits);
  if (digits > 0) return rest.starts_with(". ") || rest.starts_with(") ") || rest.starts_with("、");
  if (line.front() == '|' || line.front() == '#' || line.front() == '>') return true;
  return line.size() > 1 && line[1] == ' ' && (line[0] == '-' || line[0] == '*' || line[0] == '+');
}

// Indented paragraphs, as in licences and RFCs, are prose too: words and hardly a sign.
bool has_words_of_prose(std::string_view line) {
  static constexpr std::string_view kSigns = "{}[]()=<>|;:_/\\";
  constexpr std::size_t kWordsPerSign = 5;
  const auto words = static_cast<std::size_t>(std::ranges::count(line, ' ')) + 1;
  const auto signs = std::ranges::count_if(line, [](char c) { return kSigns.find(c) != std::string_view::npos; });
  return static_cast<std::size_t>(signs) * kWordsPerSign <= words;
}

bool is_code_or_table_line(std::string_view line) {
  const std::string_view text = trim_right(line);
  if (trim_left(text).find('\t') != std::string_view::npos || text.ends_with('|')) return true;
  if (text.ends_with('{') || text.ends_with('}') || text.ends_with(';')) return true;
  const bool indented = line.starts_with("    ") || line.starts_with('\t');
  return indented && !has_words_of_prose(trim_left(text));
}

std::size_t columns(std::string_view line) {
  std::size_t count = 0;
  for (std::size_t position = 0; position < line.size();) count += next_code_point(line, position) >= 0x2E80 ? 2 : 1;
  return count;
}

// Whether prose goes on from one line to the next.
bool flows_on(std::string_view line, std::string_view next) {
  if (starts_structure(next) || is_code_or_table_line(line) || is_code_or_table_line(next)) return false;
  return columns(trim_right(line)) >= kFilledLineColumns && !trim_left(line).starts_with('#');
}

// The text with the line breaks inside prose replaced by spaces; offsets stay.
std::string join_prose_lines(std::string_view text) {
  std::string joined(text);
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    const std::string_view line = text.substr(begin, end - begin);
    const std::string_view next = text.substr(end + 1, text.find('\n', end + 1) - end - 1);
    if (flows_on(line, next)) joined[end] = ' ';
    begin = end + 1;
  }
  return joined;
}

// ICU's own list of abbreviations lacks these.
constexpr std::array kAbbreviations = {"Dr.", "Prof.", "Fig.", "Figs.", "Eq.", "Sec.",
                                       "Ch.", "vs.",   "cf.",  "al.",   "St."};

std::unique_ptr<icu::BreakIterator> make_sentence_iterator() {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Locale locale = icu::Locale::getEnglish();
  const std::unique_ptr<icu::FilteredBreakIteratorBuilder> builder(
      icu::FilteredBreakIteratorBuilder::createInstance(locale, status));
  RAGTIME_CHECK(U_SUCCESS(status));
  for (const char* abbreviation : kAbbreviations) builder->suppressBreakAfter(abbreviation, status);
  icu::BreakIterator* plain = icu::BreakIterator::createSentenceInstance(locale, status);
  std::unique_ptr<icu::BreakIterator> iterator(builder->wrapIteratorWithFilter(plain, status));
  RAGTIME_CHECK(U_SUCCESS(status));
  return iterator;
}

icu::BreakIterator& thread_sentences() {
  thread_local const std::unique_ptr<icu::BreakIterator> iterator = make_sentence_iterator();
  return *iterator;
}

void add_trimmed(std::string_view text, std::size_t begin, std::size_t end, std::vector<Span>& spans) {
  while (begin < end && is_space(text[begin])) ++begin;
  while (end > begin && is_space(text[end - 1])) --end;
  if (begin < end) spans.push_back({begin, end});
}

// ICU knows 。！？ but not ；.
void add_clauses(std::string_view text, std::size_t begin, std::size_t end, std::vector<Span>& spans) {
  constexpr std::string_view kSemicolon = "；";
  for (std::size_t at = text.find(kSemicolon, begin); at < end; at = text.find(kSemicolon, begin)) {
    add_trimmed(text, begin, at + kSemicolon.size(), spans);
    begin = at + kSemicolon.size();
  }
  add_trimmed(text, begin, end, spans);
}

}  // namespace

std::vector<Span> split_sentences(std::string_view utf8) {
  std::vector<Span> spans;
  if (utf8.empty()) return spans;
  const std::string joined = join_prose_lines(utf8);
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UText, decltype(&utext_close)> source(
      utext_openUTF8(nullptr, joined.data(), static_cast<std::int64_t>(joined.size()), &status), &utext_close);
  icu::BreakIterator& iterator = thread_sentences();
  iterator.setText(source.get(), status);
  RAGTIME_CHECK(U_SUCCESS(status));
  std::int32_t begin = iterator.first();
  for (std::int32_t end = iterator.next(); end != icu::BreakIterator::DONE; begin = end, end = iterator.next()) {
    add_clauses(joined, static_cast<std::size_t>(begin), static_cast<std::size_t>(end), spans);
  }
  return spans;
}

}  // namespace ragtime::text
