// EncoderModel: everything that a model directory holds for an encoder: configuration, tokenizer, transformer, head.
//
// Thread safety: immutable once loaded; const members may be called from any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "encoder/bert_encoder.h"
#include "encoder/model_config.h"
#include "encoder/safetensors.h"
#include "encoder/tokenizer.h"

namespace ragtime::encoder {

// The one-label classifier of `…ForSequenceClassification`: out · tanh(dense · state + bias) + bias, of the first
// token's state. BERT keeps the first part in its pooler, RoBERTa in its classification head.
class ClassifierHead {
 public:
  // Errors: corrupt, unsupported; file and tensor are named.
  static Result<ClassifierHead> load(const Safetensors& weights, std::size_t hidden);
  float score(std::span<const float> state) const;  // The logit.

 private:
  std::vector<float> dense_;  // [hidden][hidden]
  std::vector<float> dense_bias_;
  std::vector<float> out_;  // [hidden]
  float out_bias_ = 0;
};

struct EncoderModel {
  ModelConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  BertEncoder bert;
  std::optional<ClassifierHead> head;
};

enum class ModelHead { none, classifier };

// Also runs the model once, so that the first call is as fast as any other.
// Errors: not_found, corrupt, unsupported; the message names the file and, where one is at fault, the tensor or key.
Result<EncoderModel> load_encoder_model(const std::filesystem::path& directory, ModelHead head, Precision precision);

}  // namespace ragtime::encoder
