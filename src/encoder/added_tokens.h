// AddedTokens: tokens that are found in a text as they are, before the model cuts up what lies between them.
//
// Equal to the added vocabulary of Hugging Face tokenizers.
// Thread safety: immutable once built.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/tokenizer.h"

namespace ragtime::encoder {

struct AddedToken {
  std::string content;  // Not empty.
  TokenId id = 0;
  bool single_word = false;  // Not within a longer word.
  bool left_strip = false;   // Takes white space on its left.
  bool right_strip = false;
  bool normalized = false;  // Looked for in the normalised text.
};

class AddedTokens {
 public:
  struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::optional<TokenId> id;  // None for the text between tokens.
  };

  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // The pieces of a valid text from left to right; none is empty but for tokens of white space.
  class Splitter {
   public:
    Splitter(const AddedTokens& tokens, std::string_view text) : tokens_(tokens), text_(text) {}
    std::optional<Piece> next();

   private:
    const AddedTokens& tokens_;
    std::string_view text_;
    std::size_t done_ = 0;     // Up to here pieces were returned.
    std::size_t scanned_ = 0;  // From here tokens are looked for.
    std::optional<Piece> pending_;
  };

  TokenId id_max() const;  // -1 when there is none.

 private:
  struct Match {
    std::size_t begin;
    std::size_t end;
    const AddedToken* token;
  };
  const AddedToken* longest_at(std::string_view text) const;
  std::optional<Match> find(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;
  std::string first_bytes_;
};

}  // namespace ragtime::encoder
