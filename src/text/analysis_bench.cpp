// Terms of texts by the analysis of search and by ICU's words alone; bench/chinese_search.py drives it.
//
// usage: analysis_bench documents|queries|words|folded < LINES
//
// For each line of standard input, one of output: the terms that an index gets (documents) or looks for (queries), or
// ICU's words (words), separated by spaces; or the text with case and forms of characters folded (folded).
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <unicode/brkiter.h>
#include <unicode/unistr.h>

#include "base/check.h"
#include "text/analyzer.h"
#include "text/query.h"

namespace ragtime::text {
namespace {

class IcuWords {
 public:
  IcuWords() {
    UErrorCode status = U_ZERO_ERROR;
    iterator_.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    RAGTIME_CHECK(U_SUCCESS(status));
  }

  std::vector<std::string> of(std::string_view line) {
    const icu::UnicodeString text = icu::UnicodeString::fromUTF8(fold(line));
    iterator_->setText(text);
    std::vector<std::string> words;
    std::int32_t begin = iterator_->first();
    for (std::int32_t end = iterator_->next(); end != icu::BreakIterator::DONE; begin = end, end = iterator_->next()) {
      if (iterator_->getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;  // Between words.
      text.tempSubStringBetween(begin, end).toUTF8String(words.emplace_back());
    }
    return words;
  }

 private:
  std::unique_ptr<icu::BreakIterator> iterator_;
};

int run(std::string_view how) {
  IcuWords words;
  for (std::string line; std::getline(std::cin, line); std::cout << '\n') {
    std::vector<std::string> terms;
    if (how == "documents") terms = index_terms(line);
    if (how == "queries") terms = parse_query(line).terms;
    if (how == "words") terms = words.of(line);
    if (how == "folded") std::cout << fold(line);
    for (const std::string& term : terms) std::cout << term << ' ';
  }
  return 0;
}

}  // namespace
}  // namespace ragtime::text

int main(int count, char** values) {
  if (count == 2) return ragtime::text::run(values[1]);
  std::fputs("usage: analysis_bench documents|queries|words|folded < LINES\n", stderr);
  return 2;
}
