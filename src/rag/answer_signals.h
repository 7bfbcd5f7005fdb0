// Answer signals: how well a piece of text offers the kind of answer that a question wants. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "rag/question.h"

namespace ragtime::rag {

// Where in a lower-cased text the question's terms begin and end, as byte ranges, with their weights.
struct TermPosition {
  std::size_t begin = 0;
  std::size_t end = 0;
  double weight = 0;
  std::size_t term = 0;
};

// `weights` holds one per term of the question. Terms are found as words or beginnings of words.
std::vector<TermPosition> locate_terms(const Question& question, const std::vector<double>& weights,
                                       std::string_view text);

// A factor around 1: above when the text offers the wanted kind near the terms, below when it does not offer it.
double answer_kind_factor(const Question& question, const std::vector<TermPosition>& terms, std::string_view text);

}  // namespace ragtime::rag
