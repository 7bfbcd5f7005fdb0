#include "rag/answer_signals.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <set>

#include "text/utf8.h"

namespace ragtime::rag {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

struct Number {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool plain_year = false;
};

// Written with digits and not a part of a word such as `v2` or `f32`.
std::vector<Number> find_digits(std::string_view text) {
  std::vector<Number> numbers;
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    if (!is_digit(text[begin])) continue;
    std::size_t end = begin;
    while (end < text.size() && (is_digit(text[end]) || ((text[end] == '.' || text[end] == ',') &&
                                                         end + 1 < text.size() && is_digit(text[end + 1])))) {
      ++end;
    }
    const bool in_word = begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '_');
    const std::size_t digits = end - begin;
    const bool year = digits == 4 && (text[begin] == '1' || text[begin] == '2') && text.find('.', begin) >= end;
    if (!in_word) numbers.push_back({begin, end, year});
    begin = end;
  }
  return numbers;
}

constexpr auto kNumberWords = std::to_array<std::string_view>(
    {"one",      "two",      "three",   "four",     "five",     "six",     "seven",   "eight",     "nine",
     "ten",      "eleven",   "twelve",  "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
     "nineteen", "twenty",   "thirty",  "forty",    "fifty",    "sixty",   "seventy", "eighty",    "ninety",
     "hundred",  "thousand", "million", "billion",  "half",     "twice",   "dozen",   "once",      "several"});

constexpr auto kChineseDigits = std::to_array<std::string_view>(
    {"零", "一", "二", "两", "三", "四", "五", "六", "七", "八", "九", "十", "百", "千", "万"});
constexpr auto kMeasureWords =
    std::to_array<std::string_view>({"个", "次", "种", "项", "条", "层", "倍", "分", "秒", "小时", "天",
                                     "年", "月", "日", "人", "名", "位", "元", "米", "万", "亿"});

bool word_at(std::string_view lower, std::size_t at, std::string_view word) {
  if (at > 0 && is_letter(lower[at - 1])) return false;
  const std::size_t end = at + word.size();
  return end >= lower.size() || !is_letter(lower[end]);
}

void find_number_words(std::string_view lower, std::vector<Number>& numbers) {
  for (const std::string_view word : kNumberWords) {
    for (std::size_t at = lower.find(word); at != std::string_view::npos; at = lower.find(word, at + 1)) {
      if (word_at(lower, at, word)) numbers.push_back({at, at + word.size()});
    }
  }
}

// 三十个, 两次: signs for digits right before a measure word.
void find_chinese_numbers(std::string_view text, std::vector<Number>& numbers) {
  for (const std::string_view digit : kChineseDigits) {
    for (std::size_t at = text.find(digit); at != std::string_view::npos; at = text.find(digit, at + 1)) {
      const std::size_t end = at + digit.size();
      const std::string_view rest = text.substr(end);
      const bool measured = std::any_of(kMeasureWords.begin(), kMeasureWords.end(),
                                        [&](std::string_view word) { return rest.starts_with(word); });
      if (measured) numbers.push_back({at, end});
    }
  }
}

std::vector<Number> find_numbers(std::string_view lower) {
  std::vector<Number> numbers = find_digits(lower);
  find_number_words(lower, numbers);
  find_chinese_numbers(lower, numbers);
  return numbers;
}

bool is_time_unit(std::string_view after) {
  while (after.starts_with(' ')) after.remove_prefix(1);
  constexpr auto kUnits = std::to_array<std::string_view>({"分钟", "小时", "毫秒",   "微秒", "秒",     "天",    "周",
                                                           "个月", "年",   "second", "sec",  "minute", "min",   "hour",
                                                           "day",  "week", "month",  "year", "decade", "centur"});
  constexpr auto kShort = std::to_array<std::string_view>({"ms", "us", "ns", "s", "m", "h", "d"});
  if (std::any_of(kUnits.begin(), kUnits.end(), [&](std::string_view unit) { return after.starts_with(unit); })) {
    return true;
  }
  return std::any_of(kShort.begin(), kShort.end(), [&](std::string_view unit) {
    return after.starts_with(unit) && (after.size() == unit.size() || !is_letter(after[unit.size()]));
  });
}

// 1 for a number right behind a term, less with distance; a number before its term counts as twice as far away.
double nearness(const Number& number, const TermPosition& term) {
  constexpr double kFarBytes = 40;
  const double distance = number.begin >= term.end   ? static_cast<double>(number.begin - term.end)
                          : number.end <= term.begin ? 2.0 * static_cast<double>(term.begin - number.end)
                                                     : kFarBytes;
  return std::exp(-distance / kFarBytes);
}

double best_nearness(const Number& number, const std::vector<TermPosition>& terms) {
  std::vector<double> best;
  std::vector<double> weights;
  for (const TermPosition& term : terms) {
    if (term.term >= best.size()) {
      best.resize(term.term + 1);
      weights.resize(term.term + 1);
    }
    best[term.term] = std::max(best[term.term], nearness(number, term));
    weights[term.term] = term.weight;
  }
  double near = 0;
  double all = 0;
  for (std::size_t i = 0; i < best.size(); ++i) {
    near += weights[i] * best[i];
    all += weights[i];
  }
  return all > 0 ? near / all : 0;
}

bool asked_about(const Question& question, std::string_view number) {
  return question.text.find(number) != std::string::npos;
}

double number_factor(const Question& question, const std::vector<TermPosition>& terms, std::string_view lower) {
  constexpr double kWithout = 0.5;
  constexpr double kWith = 0.8;
  constexpr double kNear = 0.5;
  constexpr double kTimed = 0.25;
  double best = -1;
  for (const Number& number : find_numbers(lower)) {
    if (asked_about(question, lower.substr(number.begin, number.end - number.begin))) continue;
    double value = kNear * best_nearness(number, terms);
    if (question.kind == AnswerKind::duration && is_time_unit(lower.substr(number.end))) value += kTimed;
    best = std::max(best, value);
  }
  return best < 0 ? kWithout : kWith + best;
}

double date_factor(std::string_view lower) {
  constexpr auto kDates =
      std::to_array<std::string_view>({"january", "february", "march", "april", "june", "july", "august", "september",
                                       "october", "november", "december", "century", "世纪", "年", "月", "日"});
  const auto numbers = find_digits(lower);
  if (std::any_of(numbers.begin(), numbers.end(), [](const Number& number) { return number.plain_year; })) return 1.25;
  const bool named = std::any_of(kDates.begin(), kDates.end(),
                                 [&](std::string_view word) { return lower.find(word) != std::string_view::npos; });
  return named ? 1.1 : numbers.empty() ? 0.7 : 0.9;
}

// A capitalised word inside the sentence that the question does not have.
double person_factor(const Question& question, std::string_view text) {
  if (question.chinese) return 1;
  for (std::size_t at = 1; at + 1 < text.size(); ++at) {
    if (text[at - 1] != ' ' || text[at] < 'A' || text[at] > 'Z') continue;
    std::size_t end = at;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end - at > 1 && question.text.find(text.substr(at, end - at)) == std::string::npos) return 1.15;
  }
  return 0.85;
}

// A term with its explanation right behind it: "HNSW（…）", "BM25 is a …", "TTFT: …".
double definition_factor(const std::vector<TermPosition>& terms, std::string_view lower) {
  constexpr auto kSigns =
      std::to_array<std::string_view>({"（", "(", "：", ":", " is a", " is the", " is an", " are ", " refers to",
                                       " means", " stands for", "是", "指", "即", "称为", "叫做", "表示"});
  for (const TermPosition& term : terms) {
    std::string_view rest = lower.substr(term.end);
    while (!rest.empty() && (rest.front() == '*' || rest.front() == '`')) rest.remove_prefix(1);
    const bool explained =
        std::any_of(kSigns.begin(), kSigns.end(), [&](std::string_view sign) { return rest.starts_with(sign); });
    if (explained) return 1.15;
  }
  return 1;
}

}  // namespace

std::vector<TermPosition> locate_terms(const Question& question, const std::vector<double>& weights,
                                       std::string_view text) {
  const std::string lower = lowered(text);
  std::vector<TermPosition> positions;
  for (std::size_t i = 0; i < question.terms.size(); ++i) {
    for (const std::string& form : question.terms[i].forms) {
      for (std::size_t at = lower.find(form); at != std::string::npos; at = lower.find(form, at + form.size())) {
        const bool inside_word = is_letter(form.front()) && at > 0 && is_letter(lower[at - 1]);
        if (!inside_word) positions.push_back({at, at + form.size(), weights[i], i});
      }
    }
  }
  return positions;
}

double answer_kind_factor(const Question& question, const std::vector<TermPosition>& terms, std::string_view text) {
  const std::string lower = lowered(text);
  switch (question.kind) {
    case AnswerKind::number:
    case AnswerKind::duration:
      return number_factor(question, terms, lower);
    case AnswerKind::date:
      return date_factor(lower);
    case AnswerKind::person:
      return person_factor(question, text);
    case AnswerKind::definition:
      return definition_factor(terms, lower);
    case AnswerKind::any:
      break;
  }
  return 1;
}

}  // namespace ragtime::rag
