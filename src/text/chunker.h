// Chunker: cuts a Document into overlapping chunks along its structure.
//
// Prose is cut at paragraph and sentence ends, Markdown sections at headings (a heading stays with its text), code at
// blank lines and definitions, tables between rows. Every character of every block lies in at least one chunk.
// Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/document.h"

namespace ragtime::text {

enum class ChunkingStrategy { automatic, prose, markdown, code, table, characters };

// "auto", "prose", "markdown", "code", "table", "characters"; nothing for other names.
Result<ChunkingStrategy> parse_chunking_strategy(std::string_view name);

struct ChunkingOptions {
  ChunkingStrategy strategy = ChunkingStrategy::automatic;
  int size = 800;     // Upper limit in estimated tokens; in characters for the strategy `characters`.
  int overlap = 200;  // Repeated from the end of the chunk before, in the same unit; at most size / 2.
};

std::vector<Chunk> chunk_document(const Document& document, const ChunkingOptions& options);

// Estimate of a language model's token count: about four letters of Latin script, one Chinese character, one sign.
int count_tokens(std::string_view utf8);

}  // namespace ragtime::text
