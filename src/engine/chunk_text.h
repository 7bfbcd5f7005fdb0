// What the two arms see of a chunk: its text in the context of its document. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/document.h"

namespace ragtime::engine {

// The text that is embedded: the title and the headings above the chunk, then the chunk.
std::string embedding_text(std::string_view title, const text::Chunk& chunk);

// The terms that are indexed: of the title, the headings, the file's name and the chunk.
std::vector<std::string> lexical_terms(std::string_view title, std::string_view filename, const text::Chunk& chunk);

}  // namespace ragtime::engine
