// Unigram: SentencePiece's unigram language model as XLM-RoBERTa uses it.
//
// Kudo 2018, "Subword Regularization": the pieces of a word are those with the largest sum of log probabilities.
// Thread safety: immutable once created.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "encoder/piece_trie.h"
#include "encoder/pipeline_tokenizer.h"

namespace ragtime::encoder {

enum class PrefixScheme { always, first, never };  // Where a word separator is put before a text.

struct UnigramConfig {
  std::vector<std::string> pieces;  // The index is the id.
  std::vector<double> scores;       // Of each piece.
  TokenId unknown = 0;
  bool byte_fallback = false;  // Unknown text becomes the pieces <0x00> to <0xFF>.
  // How a text is cut into words.
  bool use_separator = true;
  std::string separator = "\u2581";  // Stands for a space and begins a word.
  PrefixScheme prefix = PrefixScheme::always;
  bool split_at_separator = true;
  bool split_at_space = false;  // First of all, at white space, which is dropped.
  PipelineConfig pipeline;
};

class Unigram final : public PipelineTokenizer {
 public:
  // Errors: corrupt when the unknown piece is not in the vocabulary or the scores are not as many as the pieces.
  static Result<Unigram> create(UnigramConfig config);

  std::size_t cjk_entries() const override { return cjk_entries_; }

 private:
  struct Step;
  struct Words;
  explicit Unigram(UnigramConfig config);
  void encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const override;
  void encode_piece(Stretch piece, std::size_t count_max, std::vector<Step>& steps, TokenSequence& out) const;
  void encode_word(std::string_view word, std::vector<Step>& steps, TokenSequence& out) const;
  void find_best_path(std::string_view word, std::vector<Step>& steps) const;
  void append_unknown(std::string_view text, TokenSequence& out) const;

  PieceTrie trie_;
  std::vector<double> scores_;
  double unknown_score_;
  TokenId unknown_;
  std::array<TokenId, 256> byte_pieces_;
  bool byte_fallback_;
  bool use_separator_;
  std::string separator_;
  PrefixScheme prefix_;
  bool split_at_separator_;
  bool split_at_space_;
  std::size_t cjk_entries_;
};

}  // namespace ragtime::encoder
