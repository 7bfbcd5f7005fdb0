// PipelineTokenizer: what all tokenizers have in common around their models.
//
// Text -> added tokens cut out -> the rest normalised -> the model's encode_stretch() -> special tokens around it.
// Thread safety: immutable once built.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "encoder/added_tokens.h"
#include "encoder/sequence_template.h"
#include "encoder/text_normalizer.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

struct PipelineConfig {
  std::vector<AddedToken> added_tokens;
  TextNormalizer normalizer;
  SequenceTemplate sequence;
};

class PipelineTokenizer : public Tokenizer {
 public:
  TokenSequence encode(std::string_view text, std::size_t tokens_max) const final;
  TokenPair encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max) const final;

  TokenId id_max() const final { return id_max_; }

 protected:
  // Part of a text between added tokens, normalised, valid UTF-8 and not empty.
  struct Stretch {
    std::string_view text;
    bool at_start = false;  // The text's own first character is the first of it.
  };

  // `model_id_max`: the model's largest id.
  PipelineTokenizer(PipelineConfig config, TokenId model_id_max);

  // Appends the stretch's tokens. May stop early once `out` has `count_max` tokens.
  virtual void encode_stretch(Stretch stretch, std::size_t count_max, TokenSequence& out) const = 0;

 private:
  TokenSequence encode_text(std::string_view text, std::size_t count_max) const;
  void encode_between(std::string_view raw, bool at_start, std::size_t count_max, TokenSequence& out) const;
  bool keeps_first_character(std::string_view raw) const;

  AddedTokens tokens_;             // Looked for in the text as written.
  AddedTokens normalized_tokens_;  // Looked for in the normalised text.
  TextNormalizer normalizer_;
  SequenceTemplate sequence_;
  TokenId id_max_;
};

}  // namespace ragtime::encoder
