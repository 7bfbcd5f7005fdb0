// Pieces: the smallest ranges of a document that the chunker assembles chunks from. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "text/document.h"

namespace ragtime::text {

// How well a chunk may begin before a piece, from worst to best.
enum class Boundary { glued, word, clause, sentence, item, block, section };

struct Piece {
  std::size_t begin = 0;  // Bytes of the document's text; end is exclusive.
  std::size_t end = 0;
  int tokens = 0;
  Boundary boundary = Boundary::block;  // Before the piece.
  std::size_t block = 0;                // Index of the block that the piece is a part of.
};

// Cuts every block without gaps: paragraphs, lists and quotes into sentences and items, code into lines, tables into
// rows; what is longer than `tokens_max` (at least 1) into clauses, words or single characters.
// Precondition: the blocks are in order and inside the text.
std::vector<Piece> cut_into_pieces(std::string_view text, const std::vector<Block>& blocks, int tokens_max);

}  // namespace ragtime::text
