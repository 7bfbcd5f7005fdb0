// What the two arms see of a chunk: its text in the context of its document. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/document.h"

namespace ragtime::engine {

// The texts that are embedded: the title and the headings above the chunk, then the chunk. A chunk of more than
// `tokens_max` estimated tokens (0: no limit) gives several texts of about the same size, cut between sentences, whose
// mean stands for the chunk: a model would ignore what goes beyond its limit.
std::vector<std::string> embedding_texts(std::string_view title, const text::Chunk& chunk, std::size_t tokens_max);

// The terms of the title, the headings, the file's name and the chunk.
std::vector<std::string> lexical_terms(std::string_view title, std::string_view filename, const text::Chunk& chunk);

// The same as they are indexed.
struct LexicalFields {
  std::vector<std::string> heading;  // Of the title, the headings and the file's name.
  std::vector<std::string> body;     // Of the chunk.
};

LexicalFields lexical_fields(std::string_view title, std::string_view filename, const text::Chunk& chunk);

// Differs between programs that give different terms for some text, as far as a sample of many scripts shows: indexes
// on disk are of no use to the other.
std::string analysis_fingerprint();

}  // namespace ragtime::engine
