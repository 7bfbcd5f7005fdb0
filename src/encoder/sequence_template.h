// SequenceTemplate: where a model wants its special tokens around one text or two.
//
// Equal to the post-processors TemplateProcessing, BertProcessing and RobertaProcessing of Hugging Face tokenizers,
// truncation included.
// Thread safety: immutable once filled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "encoder/tokenizer.h"

namespace ragtime::encoder {

class SequenceTemplate {
 public:
  enum class Part : std::uint8_t { special, first, second };
  struct Element {
    Part part = Part::special;
    TokenId id = 0;  // Of a special token.
    std::int32_t type = 0;
  };

  SequenceTemplate() = default;  // No special tokens at all.
  SequenceTemplate(std::vector<Element> single, std::vector<Element> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}
  static SequenceTemplate bert(TokenId first, TokenId last);     // [CLS] A [SEP] B [SEP], B being type 1.
  static SequenceTemplate roberta(TokenId first, TokenId last);  // <s> A </s></s> B </s>

  // How many tokens of text fit into `tokens_max`.
  std::size_t text_tokens(std::size_t tokens_max) const;
  std::size_t pair_tokens(std::size_t tokens_max) const;

  // `text` is cut to what fits.
  TokenSequence assemble(TokenSequence text, std::size_t tokens_max) const;
  // Both are cut to what fits, the longer one first.
  TokenPair assemble(TokenSequence first, TokenSequence second, std::size_t tokens_max) const;

  // The largest special token, -1 when there is none.
  TokenId id_max() const;

 private:
  std::vector<Element> single_ = {{Part::first, 0, 0}};
  std::vector<Element> pair_ = {{Part::first, 0, 0}, {Part::second, 0, 1}};
};

}  // namespace ragtime::encoder
