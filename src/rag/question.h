// Question: what a question asks about and what kind of answer it wants. Pure; safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace ragtime::rag {

enum class AnswerKind { any, number, duration, date, person, definition };

// One thing that the question names. A text speaks of it when it holds any of the forms.
struct QuestionTerm {
  std::vector<std::string> forms;  // As text::analyze() gives them.
  double weight = 1;               // Identifiers say more than words.
};

inline constexpr std::size_t kQuestionTermsMax = 64;

// Bit i: the text speaks of term i.
using TermMask = std::uint64_t;

struct Question {
  bool chinese = false;
  AnswerKind kind = AnswerKind::any;
  std::vector<QuestionTerm> terms;  // At most kQuestionTermsMax; question words and function words are left out.
  std::string text;

  TermMask match(const std::unordered_set<std::string>& terms_of_text) const;
};

Question read_question(std::string_view utf8);

// Whether the words of this text are mostly Chinese; decides the language of what we say ourselves.
bool is_chinese(std::string_view utf8);

// The terms of a text that carry meaning, each once: without function words.
std::unordered_set<std::string> content_terms(std::string_view utf8);

}  // namespace ragtime::rag
