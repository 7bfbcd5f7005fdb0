// Extractive answers: the sentences of the search hits that answer a question best, most relevant first.
//
// A sentence scores by the question's terms that it and its surroundings (heading, lines before, table header) hold,
// weighted by rarity among the hits; by whether it offers what was asked for (a number near the terms, a duration, a
// date, a definition); and a little by its hit's rank. Nothing is made up: every text is a range of a document.
// Pure; safe from any thread. Takes milliseconds on 50 hits: belongs on the compute pool.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "rag/citation.h"

namespace ragtime::rag {

struct ExtractedSentence {
  std::string text;   // For display: the quote, code between backticks, line breaks as spaces.
  Citation citation;  // Verified; its index is the caller's to set.
  double score = 0;
};

// At most `sentences_max`, best first; only the first when the others are much weaker. Empty when nothing in the hits
// speaks of what the question names.
std::vector<ExtractedSentence> extract_sentences(std::string_view question, const std::vector<engine::SearchHit>& hits,
                                                 std::size_t sentences_max);

// What to say instead of an empty answer, in the question's language.
std::string no_answer_text(std::string_view question);

}  // namespace ragtime::rag
