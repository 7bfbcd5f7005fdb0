// The words that byte-level BPE merges within: GPT-2's regular expression, by hand.
//
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace ragtime::encoder {

// The end of the word that begins at `begin` of a valid text; begin < size.
std::size_t byte_level_word_end(std::string_view utf8, std::size_t begin);

}  // namespace ragtime::encoder
