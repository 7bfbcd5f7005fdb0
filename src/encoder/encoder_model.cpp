#include "encoder/encoder_model.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "encoder/lowercase_tokenizer.h"
#include "encoder/mapped_file.h"

namespace ragtime::encoder {
namespace {

struct HeadNames {
  std::string dense;
  std::string out;
};

HeadNames head_names(const Safetensors& weights) {
  if (weights.contains("classifier.dense.weight")) return {"classifier.dense", "classifier.out_proj"};
  return {weights.contains("bert.pooler.dense.weight") ? "bert.pooler.dense" : "pooler.dense", "classifier"};
}

// Touches every weight and buffer.
void warm_up(const EncoderModel& model) {
  for (std::size_t tokens : {std::size_t{16}, std::size_t{128}}) {
    const std::vector<TokenSequence> sequences(1, TokenSequence(std::min(tokens, model.config.tokens_max)));
    model.bert.encode(sequences);
  }
}

}  // namespace

Result<ClassifierHead> ClassifierHead::load(const Safetensors& weights, std::size_t hidden) {
  const HeadNames names = head_names(weights);
  ClassifierHead head;
  RAGTIME_TRY(head.dense_, weights.read(names.dense + ".weight", std::array{hidden, hidden}));
  RAGTIME_TRY(head.dense_bias_, weights.read(names.dense + ".bias", std::array{hidden}));
  RAGTIME_TRY(head.out_, weights.read(names.out + ".weight", std::array{std::size_t{1}, hidden}));
  RAGTIME_TRY(const auto bias, weights.read(names.out + ".bias", std::array{std::size_t{1}}));
  head.out_bias_ = bias[0];
  return head;
}

float ClassifierHead::score(std::span<const float> state) const {
  double logit = out_bias_;
  for (std::size_t row = 0; row < out_.size(); ++row) {
    const float* weights = dense_.data() + row * out_.size();
    float sum = dense_bias_[row];
    for (std::size_t i = 0; i < out_.size(); ++i) sum += weights[i] * state[i];
    logit += static_cast<double>(out_[row]) * std::tanh(sum);
  }
  return static_cast<float>(logit);
}

Result<EncoderModel> load_encoder_model(const std::filesystem::path& directory, ModelHead head, Precision precision) {
  RAGTIME_TRY(auto config, load_model_config(directory));
  RAGTIME_TRY(auto tokenizer, load_tokenizer(config.transformer_directory));
  if (config.lowercase) tokenizer = lowercase_before(std::move(tokenizer));
  if (static_cast<std::size_t>(tokenizer->id_max()) >= config.bert.vocabulary) {
    return make_error(ErrorCode::corrupt, config.transformer_directory.string() +
                                              ": the tokenizer has more tokens than vocab_size in config.json says");
  }
  const auto path = config.transformer_directory / "model.safetensors";
  RAGTIME_TRY(const auto file, MappedFile::open(path));
  RAGTIME_TRY(const auto weights, Safetensors::parse(file.bytes(), path.string()));
  std::optional<ClassifierHead> classifier;
  if (head == ModelHead::classifier) {
    RAGTIME_TRY(classifier, ClassifierHead::load(weights, config.bert.hidden));
  }
  RAGTIME_TRY(auto bert, BertEncoder::load(weights, config.bert, precision));
  EncoderModel model{std::move(config), std::move(tokenizer), std::move(bert), std::move(classifier)};
  warm_up(model);
  return model;
}

}  // namespace ragtime::encoder
