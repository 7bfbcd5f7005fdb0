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

// The terms that are indexed: of the title, the headings, the file's name and the chunk.
std::vector<std::string> lexical_terms(std::string_view title, std::string_view filename, const text::Chunk& chunk);

}  // namespace ragtime::engine
