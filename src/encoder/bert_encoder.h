// BertEncoder: the forward pass of a BERT encoder in f32 on oneDNN.
//
// Devlin et al. 2018, as in `transformers.BertModel` without its pooler: word, position and type embeddings, then per
// layer self-attention and feed-forward, each with residual and layer normalisation behind it.
// The sequences of a call lie one after the other in one token matrix: nothing is padded to the longest.
// Thread safety: immutable once loaded; encode() may run on many threads, each call on one core.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "encoder/model_config.h"
#include "encoder/safetensors.h"
#include "encoder/wordpiece.h"

namespace ragtime::encoder {

using TokenSequence = std::vector<TokenId>;

class BertEncoder {
 public:
  // Copies what it needs out of `weights`. Errors: corrupt, unsupported; file and tensor are named.
  static Result<BertEncoder> load(const Safetensors& weights, const BertConfig& config);
  BertEncoder(BertEncoder&&) noexcept;
  BertEncoder& operator=(BertEncoder&&) noexcept;
  ~BertEncoder();

  // The last hidden states, [all tokens][hidden], sequence after sequence.
  // Preconditions: no sequence is empty or longer than `positions`; every id is below `vocabulary`.
  std::vector<float> encode(std::span<const TokenSequence> sequences) const;

 private:
  struct Model;
  explicit BertEncoder(std::unique_ptr<Model> model);

  std::unique_ptr<Model> model_;
};

// One vector from a sequence's hidden states [tokens][out.size()]; at least one token.
void pool(Pooling pooling, std::span<const float> hidden, std::span<float> out);

// Scales to length 1; a vector of (almost) zero length stays as it is, as torch.nn.functional.normalize does.
void normalize(std::span<float> vector);

}  // namespace ragtime::encoder
