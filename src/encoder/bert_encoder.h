// BertEncoder: the forward pass of a BERT or RoBERTa encoder.
//
// Devlin et al. 2018 and Liu et al. 2019, as in `transformers.BertModel` and `RobertaModel` without their poolers:
// word, position and type embeddings, then per layer self-attention and feed-forward, each with residual and layer
// normalisation behind it. Linear layers run on oneDNN in the chosen precision, all else in f32.
// The sequences of a call lie one after the other in one token matrix: nothing is padded to the longest.
// Thread safety: immutable once loaded; encode() may run on many threads, each call on one core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "encoder/encoder_config.h"
#include "encoder/model_config.h"
#include "encoder/safetensors.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

// Where the time of a call went, in seconds; summed up over calls.
struct EncodeProfile {
  double linear = 0;  // Matrix products, with what oneDNN fuses into them and the conversion of 8-bit sums.
  double attention = 0;
  double element_wise = 0;  // Embedding, normalisation, activation, conversion of inputs.
};

class BertEncoder {
 public:
  // Copies what it needs out of `weights`. Errors: corrupt, unsupported; file and tensor are named.
  static Result<BertEncoder> load(const Safetensors& weights, const BertConfig& config,
                                  Precision precision = Precision::f32);
  BertEncoder(BertEncoder&&) noexcept;
  BertEncoder& operator=(BertEncoder&&) noexcept;
  ~BertEncoder();

  // The last hidden states, [all tokens][hidden], sequence after sequence.
  // `types` is empty, or holds the segment of each token for each sequence.
  // `between_layers`, if any, is called on this thread after each layer but the last; it may call encode() itself.
  // Preconditions: no sequence is empty or longer than `positions - position_offset`; every id is below `vocabulary`
  // and every type below `token_types`.
  std::vector<float> encode(std::span<const TokenSequence> sequences,
                            std::span<const std::vector<std::int32_t>> types = {}, EncodeProfile* profile = nullptr,
                            const std::function<void()>& between_layers = {}) const;

  Precision precision() const;

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
