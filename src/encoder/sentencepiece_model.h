// SentencePiece model files: the parts of the protocol buffer ModelProto that a tokenizer needs.
//
// Thread safety: pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "encoder/unigram.h"

namespace ragtime::encoder {

struct SentencePieceModel {
  enum class Kind { unigram = 1, bpe = 2, word = 3, character = 4 };

  std::vector<std::string> pieces;
  std::vector<double> scores;
  Kind kind = Kind::unigram;
  std::string charsmap;  // Precompiled rules; see charsmap.h.
};

// Errors: corrupt. The message names the field at fault.
Result<SentencePieceModel> parse_sentencepiece_model(std::string_view bytes);

// The tokenizer of XLM-RoBERTa: its first four ids are <s>, <pad>, </s> and <unk>, the model's pieces from the fourth
// on follow, and <mask> is last. Errors: corrupt, unsupported (not a unigram model).
Result<Unigram> make_xlm_roberta(SentencePieceModel model);

}  // namespace ragtime::encoder
