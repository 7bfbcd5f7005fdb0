#include "rag/question.h"

#include <algorithm>
#include <array>
#include <span>

#include "rag/glossary.h"
#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

using Phrases = std::span<const std::string_view>;

// In a question these ask or bind; they name nothing. Longer ones first.
constexpr auto kChineseFillers = std::to_array<std::string_view>(
    {"是多长时间", "多长时间", "是什么意思", "什么时候", "设置为", "设置成", "是多少", "是什么", "什么是",
     "为什么",     "有哪些",   "有多少",     "多少",     "多久",   "多大",   "多长",   "多高",   "什么",
     "怎么样",     "怎么",     "怎样",       "如何",     "哪个",   "哪些",   "哪里",   "哪种",   "哪一",
     "哪位",       "几个",     "几次",       "设为",     "设成",   "配置为", "请问",   "是否",   "可以",
     "应该",       "需要",     "何时",       "何处",     "为何",   "我们",   "这个",   "那个",   "以及",
     "或者",       "一下",     "告诉",       "介绍",     "说明",   "表示"});

constexpr std::string_view kEnglishStopWords =
    "a an the of in on at to for from by with without about as into through and or but if then than so not no nor "
    "is are was were be been being am do does did doing done have has had having will would shall should can could "
    "may might must what which who whom whose when where why how many much it its this that these those there here "
    "i you he she we they them his her their our your my me us him s t also only very just each per "
    "please tell give show explain describe";

constexpr std::string_view kChineseStopWords =
    "的 了 是 在 和 与 及 或 中 为 有 吗 呢 吧 把 被 对 从 到 由 以 于 用 会 能 要 个 这 那 其 它 他 她 我 你 们 就 "
    "也 都 而 并 等 请 问 上 下 里 时 将 向 着 过 几 谁 哪 一个";

const std::unordered_set<std::string>& stop_terms() {
  static const std::unordered_set<std::string> terms = [] {
    std::unordered_set<std::string> all;
    for (const std::string_view words : {kEnglishStopWords, kChineseStopWords}) {
      for (std::string& term : text::analyze(words)) all.insert(std::move(term));
    }
    return all;
  }();
  return terms;
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

bool has_any(std::string_view text, Phrases phrases) {
  const auto inside = [&](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; };
  return std::any_of(phrases.begin(), phrases.end(), inside);
}

AnswerKind chinese_kind(std::string_view text) {
  constexpr auto kDuration = std::to_array<std::string_view>(
      {"多长时间", "多久", "多少分钟", "多少秒", "多少小时", "多少天", "多少毫秒", "几分钟", "几秒", "几小时", "几天"});
  constexpr auto kDate =
      std::to_array<std::string_view>({"什么时候", "何时", "哪一年", "哪年", "几月", "几号", "日期"});
  constexpr auto kNumber =
      std::to_array<std::string_view>({"多少", "几个", "几次", "几种", "几项", "几条", "几层", "几倍", "多大", "多高",
                                       "多长", "多快", "多远", "百分之", "默认值"});
  constexpr auto kPerson = std::to_array<std::string_view>({"谁", "哪位", "何人"});
  constexpr auto kDefinition =
      std::to_array<std::string_view>({"什么是", "是什么", "用什么", "什么叫", "什么意思", "定义", "含义"});
  if (has_any(text, kDuration)) return AnswerKind::duration;
  if (has_any(text, kDate)) return AnswerKind::date;
  if (has_any(text, kNumber)) return AnswerKind::number;
  if (has_any(text, kPerson)) return AnswerKind::person;
  return has_any(text, kDefinition) ? AnswerKind::definition : AnswerKind::any;
}

AnswerKind english_kind(std::string_view text) {
  constexpr auto kDuration = std::to_array<std::string_view>(
      {"how long", "how many seconds", "how many minutes", "how many hours", "how many days", "how many years"});
  constexpr auto kDate = std::to_array<std::string_view>(
      {"what year", "which year", "what date", "which date", "what month", "what day", "what century"});
  constexpr auto kNumber = std::to_array<std::string_view>(
      {"how many", "how much", "how large", "how big", "how high", "how far", "how old", "how fast", "how tall",
       "what number", "what percent", "default value", "how often", "what size", "what population"});
  constexpr auto kPerson = std::to_array<std::string_view>({" whose ", " whom "});
  constexpr auto kDefinition = std::to_array<std::string_view>({"what is ", "what are ", "define ", "meaning of"});
  const std::string padded = " " + std::string(text) + " ";
  if (has_any(padded, kDuration)) return AnswerKind::duration;
  if (text.starts_with("when ") || has_any(padded, kDate)) return AnswerKind::date;
  if (has_any(padded, kNumber)) return AnswerKind::number;
  if (text.starts_with("who ") || has_any(padded, kPerson)) return AnswerKind::person;
  return has_any(padded, kDefinition) ? AnswerKind::definition : AnswerKind::any;
}

bool is_identifier_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

// Beyond a plain or capitalised word: `ef_search`, `vLLM`, `HNSW`, `p99`.
bool looks_like_identifier(std::string_view word) {
  if (word.find('_') != std::string_view::npos) return true;
  bool letter = false;
  bool later_capital = false;
  bool digit = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool capital = word[i] >= 'A' && word[i] <= 'Z';
    letter = letter || capital || (word[i] >= 'a' && word[i] <= 'z');
    later_capital = later_capital || (capital && i > 0);
    digit = digit || (word[i] >= '0' && word[i] <= '9');
  }
  return letter && (later_capital || digit);
}

class Reader {
 public:
  explicit Reader(Question& question) : question_(question) {}

  void read() {
    std::string text = question_.text;
    for (const std::string_view filler : kChineseFillers) blank_out(text, filler);
    for (std::size_t begin = 0; begin < text.size();) {
      std::size_t end = begin;
      const bool word = is_identifier_char(text[begin]);
      while (end < text.size() && is_identifier_char(text[end]) == word) ++end;
      const std::string_view part = std::string_view(text).substr(begin, end - begin);
      word ? add_word(part) : add_all(part, 1);
      begin = end;
    }
    add_glossary();
  }

 private:
  static void blank_out(std::string& text, std::string_view phrase) {
    for (std::size_t at = text.find(phrase); at != std::string::npos; at = text.find(phrase, at)) {
      text.replace(at, phrase.size(), " ");
    }
  }

  void add_word(std::string_view word) {
    constexpr double kIdentifierWeight = 2;
    constexpr double kPartWeight = 0.4;
    const bool identifier = looks_like_identifier(word);
    bool whole = true;
    for (std::string& term : text::analyze(word)) {
      add(std::move(term), !identifier ? 1 : whole ? kIdentifierWeight : kPartWeight);
      whole = false;
    }
  }

  void add_all(std::string_view part, double weight) {
    for (std::string& term : text::analyze(part)) add(std::move(term), weight);
  }

  void add(std::string term, double weight) {
    constexpr double kSingleSignWeight = 0.3;
    auto& terms = question_.terms;
    if (text::count_code_points(term) == 1 && term.size() > 1) weight *= kSingleSignWeight;
    if (stop_terms().contains(term) || terms.size() == kQuestionTermsMax) return;
    if (find(term) == nullptr) terms.push_back({{std::move(term)}, weight});
  }

  QuestionTerm* find(std::string_view term) {
    for (QuestionTerm& known : question_.terms) {
      if (known.forms.front() == term) return &known;
    }
    return nullptr;
  }

  void add_glossary() {
    for (const GlossaryEntry& entry : glossary()) {
      if (question_.text.find(entry.term) == std::string::npos) continue;
      const auto meanings = text::analyze(entry.meaning);
      for (const std::string& part : text::analyze(entry.term)) {
        QuestionTerm* term = find(part);
        if (term != nullptr) term->forms.insert(term->forms.end(), meanings.begin(), meanings.end());
      }
    }
  }

  Question& question_;
};

}  // namespace

TermMask Question::match(const std::unordered_set<std::string>& terms_of_text) const {
  TermMask mask = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto& forms = terms[i].forms;
    const bool found =
        std::any_of(forms.begin(), forms.end(), [&](const std::string& form) { return terms_of_text.contains(form); });
    if (found) mask |= TermMask{1} << i;
  }
  return mask;
}

Question read_question(std::string_view utf8) {
  Question question;
  question.text = utf8;
  question.chinese = is_chinese(utf8);
  question.kind = question.chinese ? chinese_kind(utf8) : english_kind(lowered(utf8));
  Reader(question).read();
  return question;
}

bool is_chinese(std::string_view utf8) {
  return text::cjk_share(utf8) >= 0.1;
}

std::unordered_set<std::string> content_terms(std::string_view utf8) {
  std::unordered_set<std::string> terms;
  for (std::string& term : text::analyze(utf8)) {
    if (!stop_terms().contains(term)) terms.insert(std::move(term));
  }
  return terms;
}

}  // namespace ragtime::rag
