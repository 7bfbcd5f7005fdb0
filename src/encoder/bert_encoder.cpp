#include "encoder/bert_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "encoder/onednn_ops.h"

namespace ragtime::encoder {
namespace {

struct Layer {
  Linear query_key_value;
  Linear attention_output;  // Adds to its output.
  LayerNorm attention_norm;
  Linear intermediate;
  Linear output;  // Adds to its output.
  LayerNorm output_norm;
};

Epilogue epilogue_of(Activation activation) {
  switch (activation) {
    case Activation::gelu_erf:
      return Epilogue::gelu_erf;
    case Activation::gelu_tanh:
      return Epilogue::gelu_tanh;
    case Activation::relu:
      return Epilogue::relu;
  }
  RAGTIME_CHECK(false);
}

// Reads the tensors of one model, whose names may begin with "bert.".
class TensorReader {
 public:
  TensorReader(const Safetensors& weights, const BertConfig& config)
      : weights_(weights),
        config_(config),
        prefix_(weights.contains("bert.embeddings.word_embeddings.weight") ? "bert." : "") {}

  Result<std::vector<float>> matrix(const std::string& name, std::size_t rows, std::size_t columns) const {
    return weights_.read(prefix_ + name, std::array{rows, columns});
  }
  Result<std::vector<float>> vector(const std::string& name, std::size_t size) const {
    return weights_.read(prefix_ + name, std::array{size});
  }

  Result<Linear> linear(const dnnl::engine& engine, const std::string& name, std::size_t outputs, std::size_t inputs,
                        Epilogue epilogue) const {
    RAGTIME_TRY(const auto weights, matrix(name + ".weight", outputs, inputs));
    RAGTIME_TRY(const auto bias, vector(name + ".bias", outputs));
    return Linear(engine, weights, bias, epilogue);
  }

  // Checkpoints converted from TensorFlow say gamma and beta.
  Result<LayerNorm> norm(const dnnl::engine& engine, const std::string& name) const {
    const bool old_names = weights_.contains(prefix_ + name + ".gamma");
    RAGTIME_TRY(const auto scale, vector(name + (old_names ? ".gamma" : ".weight"), config_.hidden));
    RAGTIME_TRY(const auto shift, vector(name + (old_names ? ".beta" : ".bias"), config_.hidden));
    return LayerNorm(engine, scale, shift, config_.layer_norm_epsilon);
  }

  // Query, key and value as one matrix of three times the outputs.
  Result<Linear> query_key_value(const dnnl::engine& engine, const std::string& name) const {
    std::vector<float> weights;
    std::vector<float> bias;
    for (const char* part : {"query", "key", "value"}) {
      RAGTIME_TRY(const auto part_weights, matrix(name + part + ".weight", config_.hidden, config_.hidden));
      RAGTIME_TRY(const auto part_bias, vector(name + part + ".bias", config_.hidden));
      weights.insert(weights.end(), part_weights.begin(), part_weights.end());
      bias.insert(bias.end(), part_bias.begin(), part_bias.end());
    }
    return Linear(engine, weights, bias, Epilogue::none);
  }

  Result<Layer> layer(const dnnl::engine& engine, std::size_t index) const {
    const std::string name = "encoder.layer." + std::to_string(index) + ".";
    const auto [hidden, wide] = std::pair(config_.hidden, config_.intermediate);
    RAGTIME_TRY(auto qkv, query_key_value(engine, name + "attention.self."));
    RAGTIME_TRY(auto attention, linear(engine, name + "attention.output.dense", hidden, hidden, Epilogue::add));
    RAGTIME_TRY(auto attention_norm, norm(engine, name + "attention.output.LayerNorm"));
    RAGTIME_TRY(auto intermediate,
                linear(engine, name + "intermediate.dense", wide, hidden, epilogue_of(config_.activation)));
    RAGTIME_TRY(auto output, linear(engine, name + "output.dense", hidden, wide, Epilogue::add));
    RAGTIME_TRY(auto output_norm, norm(engine, name + "output.LayerNorm"));
    return Layer{std::move(qkv),          std::move(attention), std::move(attention_norm),
                 std::move(intermediate), std::move(output),    std::move(output_norm)};
  }

 private:
  const Safetensors& weights_;
  const BertConfig& config_;
  std::string prefix_;
};

// Calls f(first row, rows) for tiles that together cover `rows`, a multiple of kRowStep.
template <class F>
void for_each_tile(std::size_t rows, F f) {
  for (std::size_t row = 0; row < rows; row += kTileRows) f(row, std::min(kTileRows, rows - row));
}

}  // namespace

struct BertEncoder::Model {
  struct Call;

  BertConfig config;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<float> words;      // [vocabulary][hidden]
  std::vector<float> positions;  // [positions][hidden], the type embedding of type 0 added.
  std::optional<LayerNorm> embedding_norm;
  std::vector<Layer> layers;
  std::optional<SquareSoftmax> softmax;

  Result<void> load(const TensorReader& reader);
  Result<void> load_embeddings(const TensorReader& reader);
  std::vector<float> encode(std::span<const TokenSequence> sequences) const;
  void embed(std::span<const TokenSequence> sequences, Call& call) const;
  void attend(std::span<const TokenSequence> sequences, Call& call) const;
  void attend_head(std::size_t first_row, std::size_t length, std::size_t head, Call& call) const;
  void run_layer(const Layer& layer, std::span<const TokenSequence> sequences, Call& call) const;
};

// The buffers of one forward pass. Rows are rounded up; the rows behind the last token are never read for a result.
struct BertEncoder::Model::Call {
  Call(const Model& model, std::size_t tokens, std::size_t longest)
      : rows(round_up_rows(tokens)),
        scratch(model.engine),
        hidden(rows * model.config.hidden),
        query_key_value(rows * 3 * model.config.hidden),
        context(rows * model.config.hidden),
        scores(round_up_rows(longest) * round_up_rows(longest)),
        intermediate(kTileRows * model.config.intermediate) {}

  std::size_t rows;
  Scratch scratch;
  std::vector<float> hidden;
  std::vector<float> query_key_value;  // [rows][query | key | value]
  std::vector<float> context;
  std::vector<float> scores;
  std::vector<float> intermediate;  // One tile.
};

Result<void> BertEncoder::Model::load_embeddings(const TensorReader& reader) {
  RAGTIME_TRY(words, reader.matrix("embeddings.word_embeddings.weight", config.vocabulary, config.hidden));
  RAGTIME_TRY(positions, reader.matrix("embeddings.position_embeddings.weight", config.positions, config.hidden));
  RAGTIME_TRY(const auto types,
              reader.matrix("embeddings.token_type_embeddings.weight", config.token_types, config.hidden));
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] += types[i % config.hidden];
  RAGTIME_TRY(auto norm, reader.norm(engine, "embeddings.LayerNorm"));
  embedding_norm.emplace(std::move(norm));
  return {};
}

Result<void> BertEncoder::Model::load(const TensorReader& reader) {
  const OneThread one_thread;
  RAGTIME_TRY_DONE(load_embeddings(reader));
  for (std::size_t i = 0; i < config.layers; ++i) {
    RAGTIME_TRY(auto layer, reader.layer(engine, i));
    layers.push_back(std::move(layer));
  }
  softmax.emplace(engine, config.positions);
  return {};
}

void BertEncoder::Model::embed(std::span<const TokenSequence> sequences, Call& call) const {
  float* out = call.hidden.data();
  for (const TokenSequence& sequence : sequences) {
    for (std::size_t position = 0; position < sequence.size(); ++position, out += config.hidden) {
      const float* word = words.data() + static_cast<std::size_t>(sequence[position]) * config.hidden;
      const float* place = positions.data() + position * config.hidden;
      std::transform(word, word + config.hidden, place, out, std::plus<>());
    }
  }
  for_each_tile(call.rows, [&](std::size_t row, std::size_t rows) {
    embedding_norm->run(call.scratch, rows, call.hidden.data() + row * config.hidden);
  });
}

// softmax(Q · Kᵀ / √d) · V of one head of one sequence.
void BertEncoder::Model::attend_head(std::size_t first_row, std::size_t length, std::size_t head, Call& call) const {
  using Dim = dnnl_dim_t;
  const std::size_t width = config.hidden / config.heads;
  const std::size_t stride = 3 * config.hidden;
  const std::size_t side = round_up_rows(length);
  const float* query = call.query_key_value.data() + first_row * stride + head * width;
  const float* key = query + config.hidden;
  const float* value = key + config.hidden;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  float* scores = call.scores.data();
  dnnl::sgemm('N', 'T', static_cast<Dim>(length), static_cast<Dim>(length), static_cast<Dim>(width), scale, query,
              static_cast<Dim>(stride), key, static_cast<Dim>(stride), 0.0f, scores, static_cast<Dim>(side));
  for (std::size_t row = 0; row < length; ++row) {
    std::fill(scores + row * side + length, scores + (row + 1) * side, std::numeric_limits<float>::lowest());
  }
  softmax->run(call.scratch, side, scores);
  float* out = call.context.data() + first_row * config.hidden + head * width;
  dnnl::sgemm('N', 'N', static_cast<Dim>(length), static_cast<Dim>(width), static_cast<Dim>(length), 1.0f, scores,
              static_cast<Dim>(side), value, static_cast<Dim>(stride), 0.0f, out, static_cast<Dim>(config.hidden));
}

void BertEncoder::Model::attend(std::span<const TokenSequence> sequences, Call& call) const {
  std::size_t row = 0;
  for (const TokenSequence& sequence : sequences) {
    for (std::size_t head = 0; head < config.heads; ++head) attend_head(row, sequence.size(), head, call);
    row += sequence.size();
  }
}

void BertEncoder::Model::run_layer(const Layer& layer, std::span<const TokenSequence> sequences, Call& call) const {
  for_each_tile(call.rows, [&](std::size_t row, std::size_t rows) {
    layer.query_key_value.run(call.scratch, rows, call.hidden.data() + row * config.hidden,
                              call.query_key_value.data() + row * 3 * config.hidden);
  });
  attend(sequences, call);
  for_each_tile(call.rows, [&](std::size_t row, std::size_t rows) {
    float* hidden = call.hidden.data() + row * config.hidden;
    layer.attention_output.run(call.scratch, rows, call.context.data() + row * config.hidden, hidden);
    layer.attention_norm.run(call.scratch, rows, hidden);
    layer.intermediate.run(call.scratch, rows, hidden, call.intermediate.data());
    layer.output.run(call.scratch, rows, call.intermediate.data(), hidden);
    layer.output_norm.run(call.scratch, rows, hidden);
  });
}

std::vector<float> BertEncoder::Model::encode(std::span<const TokenSequence> sequences) const {
  const OneThread one_thread;
  std::size_t tokens = 0;
  std::size_t longest = 0;
  for (const TokenSequence& sequence : sequences) {
    RAGTIME_CHECK(!sequence.empty() && sequence.size() <= config.positions);
    tokens += sequence.size();
    longest = std::max(longest, sequence.size());
  }
  Call call(*this, tokens, longest);
  embed(sequences, call);
  for (const Layer& layer : layers) run_layer(layer, sequences, call);
  call.hidden.resize(tokens * config.hidden);
  return std::move(call.hidden);
}

BertEncoder::BertEncoder(std::unique_ptr<Model> model) : model_(std::move(model)) {}
BertEncoder::BertEncoder(BertEncoder&&) noexcept = default;
BertEncoder& BertEncoder::operator=(BertEncoder&&) noexcept = default;
BertEncoder::~BertEncoder() = default;

Result<BertEncoder> BertEncoder::load(const Safetensors& weights, const BertConfig& config) {
  auto model = std::make_unique<Model>();
  model->config = config;
  RAGTIME_TRY_DONE(model->load(TensorReader(weights, model->config)));
  return BertEncoder(std::move(model));
}

std::vector<float> BertEncoder::encode(std::span<const TokenSequence> sequences) const {
  return model_->encode(sequences);
}

void pool(Pooling pooling, std::span<const float> hidden, std::span<float> out) {
  const std::size_t width = out.size();
  const std::size_t tokens = hidden.size() / width;
  std::copy_n(hidden.begin(), width, out.begin());
  if (pooling == Pooling::cls) return;
  for (std::size_t token = 1; token < tokens; ++token) {
    const float* row = hidden.data() + token * width;
    for (std::size_t i = 0; i < width; ++i) {
      out[i] = pooling == Pooling::mean ? out[i] + row[i] : std::max(out[i], row[i]);
    }
  }
  if (pooling == Pooling::max) return;
  for (float& value : out) value /= static_cast<float>(tokens);
}

void normalize(std::span<float> vector) {
  constexpr double kLengthMin = 1e-12;
  double squares = 0;
  for (float value : vector) squares += static_cast<double>(value) * value;
  const double length = std::max(std::sqrt(squares), kLengthMin);
  for (float& value : vector) value = static_cast<float>(value / length);
}

}  // namespace ragtime::encoder
