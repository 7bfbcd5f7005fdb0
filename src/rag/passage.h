// Passage: the pieces of a search hit's chunk that can be quoted on their own: sentences, list items, lines of code,
// rows of tables. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "rag/citation.h"

namespace ragtime::rag {

enum class PieceKind { sentence, code, table_row, table_header, heading };

// A range of bytes of the chunk's text, without list markers, frames and white space around the words.
struct Piece {
  PieceKind kind = PieceKind::sentence;
  std::size_t begin = 0;
  std::size_t end = 0;
  int block = 0;  // Pieces of one block of code, table or paragraph share it.

  std::string_view of(std::string_view chunk_text) const { return chunk_text.substr(begin, end - begin); }
};

// In order and without overlap. Pieces without a letter or digit are left out.
std::vector<Piece> split_passage(const text::Chunk& chunk);

// The citation of bytes [begin, end) of the hit's chunk. `index` and `verified` are the caller's.
Citation cite(const engine::SearchHit& hit, std::size_t begin, std::size_t end);

}  // namespace ragtime::rag
