#include "encoder/bert_encoder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "base/check.h"
#include "encoder/aligned_buffer.h"
#include "encoder/onednn_ops.h"

namespace ragtime::encoder {
namespace {

struct Norm {
  std::vector<float> scale;
  std::vector<float> shift;
};

struct Layer {
  Linear query_key_value;
  Linear attention_output;  // Adds to its output.
  Norm attention_norm;
  Linear intermediate;
  Linear output;  // Adds to its output.
  Norm output_norm;
};

using Activate = void (*)(float*, std::size_t);

Activate activate_of(const Kernels& kernels, Activation activation, Precision precision) {
  switch (activation) {
    case Activation::gelu_erf:
      return precision == Precision::f32 ? kernels.gelu_erf : kernels.gelu_erf_coarse;
    case Activation::gelu_tanh:
      return kernels.gelu_tanh;
    case Activation::relu:
      return kernels.relu;
  }
  RAGTIME_CHECK(false);
}

// Reads the tensors of one model, whose names may begin with the architecture's name.
class TensorReader {
 public:
  TensorReader(const Safetensors& weights, const BertConfig& config, Precision precision)
      : weights_(weights), config_(config), precision_(precision) {
    for (const char* prefix : {"bert.", "roberta.", "xlm-roberta.", "model."}) {
      if (weights.contains(std::string(prefix) + "embeddings.word_embeddings.weight")) prefix_ = prefix;
    }
  }

  Result<std::vector<float>> matrix(const std::string& name, std::size_t rows, std::size_t columns) const {
    return weights_.read(prefix_ + name, std::array{rows, columns});
  }
  Result<std::vector<float>> vector(const std::string& name, std::size_t size) const {
    return weights_.read(prefix_ + name, std::array{size});
  }

  Result<Linear> linear(const dnnl::engine& engine, const std::string& name, std::size_t outputs, std::size_t inputs,
                        Linear::Output output) const {
    RAGTIME_TRY(const auto weights, matrix(name + ".weight", outputs, inputs));
    RAGTIME_TRY(const auto bias, vector(name + ".bias", outputs));
    return Linear(engine, precision_, weights, bias, output);
  }

  // Checkpoints converted from TensorFlow say gamma and beta.
  Result<Norm> norm(const std::string& name) const {
    const bool old_names = weights_.contains(prefix_ + name + ".gamma");
    RAGTIME_TRY(auto scale, vector(name + (old_names ? ".gamma" : ".weight"), config_.hidden));
    RAGTIME_TRY(auto shift, vector(name + (old_names ? ".beta" : ".bias"), config_.hidden));
    return Norm{std::move(scale), std::move(shift)};
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
    return Linear(engine, precision_, weights, bias, Linear::Output::replace);
  }

  Result<Layer> layer(const dnnl::engine& engine, std::size_t index) const {
    using enum Linear::Output;
    const std::string name = "encoder.layer." + std::to_string(index) + ".";
    const auto [hidden, wide] = std::pair(config_.hidden, config_.intermediate);
    RAGTIME_TRY(auto qkv, query_key_value(engine, name + "attention.self."));
    RAGTIME_TRY(auto attention, linear(engine, name + "attention.output.dense", hidden, hidden, add));
    RAGTIME_TRY(auto attention_norm, norm(name + "attention.output.LayerNorm"));
    RAGTIME_TRY(auto intermediate, linear(engine, name + "intermediate.dense", wide, hidden, replace));
    RAGTIME_TRY(auto output, linear(engine, name + "output.dense", hidden, wide, add));
    RAGTIME_TRY(auto output_norm, norm(name + "output.LayerNorm"));
    return Layer{std::move(qkv),          std::move(attention), std::move(attention_norm),
                 std::move(intermediate), std::move(output),    std::move(output_norm)};
  }

 private:
  const Safetensors& weights_;
  const BertConfig& config_;
  Precision precision_;
  std::string prefix_;
};

// Adds the time since the last mark to a part of a profile, if one is wanted.
class Stopwatch {
 public:
  explicit Stopwatch(EncodeProfile* profile) : profile_(profile) { restart(); }
  void mark(double EncodeProfile::*part) {
    if (profile_ == nullptr) return;
    const auto before = std::exchange(last_, Clock::now());
    profile_->*part += std::chrono::duration<double>(last_ - before).count();
  }
  void restart() {
    if (profile_ != nullptr) last_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  EncodeProfile* profile_;
  Clock::time_point last_;
};

}  // namespace

struct BertEncoder::Model {
  struct Call;
  struct Input {
    std::span<const TokenSequence> sequences;
    std::span<const std::vector<std::int32_t>> types;
    std::size_t tokens = 0;
    std::size_t longest = 0;
  };

  BertConfig config;
  Precision precision = Precision::f32;
  const Kernels& kernels = best_kernels();
  Activate activate = nullptr;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<float> words;      // [vocabulary][hidden]
  std::vector<float> positions;  // [positions][hidden], the type embedding of type 0 added.
  std::vector<float> types;      // [token_types][hidden], the type embedding of type 0 subtracted.
  Norm embedding_norm;
  std::vector<Layer> layers;

  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Call>> idle;  // Buffers of earlier calls. Guarded by mutex.

  Result<void> load(const TensorReader& reader);
  Result<void> load_embeddings(const TensorReader& reader);
  Input check(std::span<const TokenSequence> sequences, std::span<const std::vector<std::int32_t>> types_of) const;
  std::unique_ptr<Call> take_call() const;
  std::vector<float> encode(const Input& input, EncodeProfile* profile,
                            const std::function<void()>& between_layers) const;
  void embed(const Input& input, Call& call) const;
  void attend(const Input& input, Call& call) const;
  void run_layer(const Layer& layer, const Input& input, Call& call, Stopwatch& watch) const;
  void feed_forward(const Layer& layer, std::size_t row, std::size_t tokens, Call& call, Stopwatch& watch) const;
  void normalize_row(const Norm& norm, float* values, const Operand& out, std::size_t row) const;
};

// The buffers of one forward pass. Rows are rounded up; the rows behind the last token are never read for a result.
struct BertEncoder::Model::Call {
  explicit Call(const Model& of) : model(of), scratch(of.engine) {}
  void prepare(const Input& input);
  Operand operand(AlignedBuffer<std::byte>& bytes, AlignedBuffer<RowScale>& scales, std::size_t row_count,
                  std::size_t columns, float* values) const;

  const Model& model;
  std::size_t rows = 0;
  Scratch scratch;
  AlignedBuffer<float> hidden;
  AlignedBuffer<float> query_key_value;  // [rows][query | key | value]
  AlignedBuffer<float> context;
  AlignedBuffer<float> wide;  // One tile of intermediate values.
  AlignedBuffer<float> attention;
  // The same in the precision of the linear layers. In f32 they are the same memory.
  Operand hidden_in;
  Operand context_in;
  Operand wide_in;

 private:
  AlignedBuffer<std::byte> hidden_bytes_;
  AlignedBuffer<std::byte> context_bytes_;
  AlignedBuffer<std::byte> wide_bytes_;
  AlignedBuffer<RowScale> hidden_scales_;
  AlignedBuffer<RowScale> context_scales_;
  AlignedBuffer<RowScale> wide_scales_;
};

Operand BertEncoder::Model::Call::operand(AlignedBuffer<std::byte>& bytes, AlignedBuffer<RowScale>& scales,
                                          std::size_t row_count, std::size_t columns, float* values) const {
  Operand operand{model.precision, reinterpret_cast<std::byte*>(values), nullptr, columns};
  if (model.precision == Precision::f32) return operand;
  operand.data = bytes.reserve(row_count * columns * element_bytes(model.precision));
  if (model.precision == Precision::int8) operand.scales = scales.reserve(row_count);
  return operand;
}

void BertEncoder::Model::Call::prepare(const Input& input) {
  const std::size_t width = model.config.hidden;
  rows = round_up_rows(input.tokens);
  hidden.reserve(rows * width);
  std::fill(hidden.data() + input.tokens * width, hidden.data() + rows * width, 0.f);
  query_key_value.reserve(rows * 3 * width);
  context.reserve(rows * width);
  wide.reserve(kTileRows * model.config.intermediate);
  attention.reserve(attention_scratch_floats(input.longest, width / model.config.heads));
  hidden_in = operand(hidden_bytes_, hidden_scales_, rows, width, hidden.data());
  context_in = operand(context_bytes_, context_scales_, rows, width, context.data());
  wide_in = operand(wide_bytes_, wide_scales_, kTileRows, model.config.intermediate, wide.data());
}

Result<void> BertEncoder::Model::load_embeddings(const TensorReader& reader) {
  RAGTIME_TRY(words, reader.matrix("embeddings.word_embeddings.weight", config.vocabulary, config.hidden));
  RAGTIME_TRY(positions, reader.matrix("embeddings.position_embeddings.weight", config.positions, config.hidden));
  RAGTIME_TRY(types, reader.matrix("embeddings.token_type_embeddings.weight", config.token_types, config.hidden));
  for (std::size_t i = 0; i < positions.size(); ++i) positions[i] += types[i % config.hidden];
  for (std::size_t i = types.size(); i > 0; --i) types[i - 1] -= types[(i - 1) % config.hidden];
  RAGTIME_TRY(embedding_norm, reader.norm("embeddings.LayerNorm"));
  return {};
}

Result<void> BertEncoder::Model::load(const TensorReader& reader) {
  const OneThread one_thread;
  RAGTIME_TRY_DONE(load_embeddings(reader));
  for (std::size_t i = 0; i < config.layers; ++i) {
    RAGTIME_TRY(auto layer, reader.layer(engine, i));
    layers.push_back(std::move(layer));
  }
  activate = activate_of(kernels, config.activation, precision);
  return {};
}

void BertEncoder::Model::normalize_row(const Norm& norm, float* values, const Operand& out, std::size_t row) const {
  kernels.layer_norm(values, config.hidden, norm.scale.data(), norm.shift.data(), config.layer_norm_epsilon);
  out.set_row(kernels, row, values);
}

void BertEncoder::Model::embed(const Input& input, Call& call) const {
  const std::size_t width = config.hidden;
  std::size_t row = 0;
  for (std::size_t s = 0; s < input.sequences.size(); ++s) {
    const TokenSequence& sequence = input.sequences[s];
    for (std::size_t i = 0; i < sequence.size(); ++i, ++row) {
      float* out = call.hidden.data() + row * width;
      const float* word = words.data() + static_cast<std::size_t>(sequence[i]) * width;
      const float* place = positions.data() + (i + config.position_offset) * width;
      std::transform(word, word + width, place, out, std::plus<>());
      if (!input.types.empty() && input.types[s][i] != 0) {
        const float* type = types.data() + static_cast<std::size_t>(input.types[s][i]) * width;
        std::transform(out, out + width, type, out, std::plus<>());
      }
      normalize_row(embedding_norm, out, call.hidden_in, row);
    }
  }
}

void BertEncoder::Model::attend(const Input& input, Call& call) const {
  AttentionHead head;
  head.width = config.hidden / config.heads;
  head.stride = 3 * config.hidden;
  head.out_stride = config.hidden;
  head.scratch = call.attention.data();
  const auto attend_head = precision == Precision::f32 ? kernels.attend : kernels.attend_coarse;
  std::size_t row = 0;
  for (const TokenSequence& sequence : input.sequences) {
    head.length = sequence.size();
    for (std::size_t i = 0; i < config.heads; ++i) {
      head.query = call.query_key_value.data() + row * head.stride + i * head.width;
      head.key = head.query + config.hidden;
      head.value = head.key + config.hidden;
      head.out = call.context.data() + row * config.hidden + i * head.width;
      attend_head(head);
    }
    row += sequence.size();
  }
}

// From the attention's output to the layer's, for one tile that begins at `row` and holds `tokens` tokens.
void BertEncoder::Model::feed_forward(const Layer& layer, std::size_t row, std::size_t tokens, Call& call,
                                      Stopwatch& watch) const {
  const std::size_t width = config.hidden;
  const std::size_t rows = round_up_rows(tokens);
  float* hidden = call.hidden.data() + row * width;
  for (std::size_t i = row; i < row + tokens; ++i) {
    call.context_in.set_row(kernels, i, call.context.data() + i * width);
  }
  watch.mark(&EncodeProfile::element_wise);
  layer.attention_output.run(kernels, call.scratch, rows, call.context_in.from_row(row), hidden);
  watch.mark(&EncodeProfile::linear);
  for (std::size_t i = 0; i < tokens; ++i) {
    normalize_row(layer.attention_norm, hidden + i * width, call.hidden_in, row + i);
  }
  watch.mark(&EncodeProfile::element_wise);
  layer.intermediate.run(kernels, call.scratch, rows, call.hidden_in.from_row(row), call.wide.data());
  watch.mark(&EncodeProfile::linear);
  for (std::size_t i = 0; i < tokens; ++i) {
    float* wide = call.wide.data() + i * config.intermediate;
    activate(wide, config.intermediate);
    call.wide_in.set_row(kernels, i, wide);
  }
  watch.mark(&EncodeProfile::element_wise);
  layer.output.run(kernels, call.scratch, rows, call.wide_in, hidden);
  watch.mark(&EncodeProfile::linear);
  for (std::size_t i = 0; i < tokens; ++i) {
    normalize_row(layer.output_norm, hidden + i * width, call.hidden_in, row + i);
  }
  watch.mark(&EncodeProfile::element_wise);
}

void BertEncoder::Model::run_layer(const Layer& layer, const Input& input, Call& call, Stopwatch& watch) const {
  for (std::size_t row = 0; row < call.rows; row += kTileRows) {
    layer.query_key_value.run(kernels, call.scratch, std::min(kTileRows, call.rows - row), call.hidden_in.from_row(row),
                              call.query_key_value.data() + row * 3 * config.hidden);
  }
  watch.mark(&EncodeProfile::linear);
  attend(input, call);
  watch.mark(&EncodeProfile::attention);
  for (std::size_t row = 0; row < input.tokens; row += kTileRows) {
    feed_forward(layer, row, std::min(kTileRows, input.tokens - row), call, watch);
  }
}

std::unique_ptr<BertEncoder::Model::Call> BertEncoder::Model::take_call() const {
  const std::lock_guard lock(mutex);
  if (idle.empty()) return std::make_unique<Call>(*this);
  auto call = std::move(idle.back());
  idle.pop_back();
  return call;
}

std::vector<float> BertEncoder::Model::encode(const Input& input, EncodeProfile* profile,
                                              const std::function<void()>& between_layers) const {
  const OneThread one_thread;
  auto call = take_call();
  call->prepare(input);
  Stopwatch watch(profile);
  embed(input, *call);
  watch.mark(&EncodeProfile::element_wise);
  for (const Layer& layer : layers) {
    if (between_layers && &layer != &layers.front()) between_layers();
    run_layer(layer, input, *call, watch);
  }
  std::vector<float> out(call->hidden.data(), call->hidden.data() + input.tokens * config.hidden);
  const std::lock_guard lock(mutex);
  idle.push_back(std::move(call));
  return out;
}

BertEncoder::Model::Input BertEncoder::Model::check(std::span<const TokenSequence> sequences,
                                                    std::span<const std::vector<std::int32_t>> types_of) const {
  Input input{sequences, types_of};
  RAGTIME_CHECK(types_of.empty() || types_of.size() == sequences.size());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const std::size_t length = sequences[i].size();
    RAGTIME_CHECK(length > 0 && length + config.position_offset <= config.positions);
    RAGTIME_CHECK(types_of.empty() || types_of[i].size() == length);
    input.tokens += length;
    input.longest = std::max(input.longest, length);
  }
  return input;
}

BertEncoder::BertEncoder(std::unique_ptr<Model> model) : model_(std::move(model)) {}
BertEncoder::BertEncoder(BertEncoder&&) noexcept = default;
BertEncoder& BertEncoder::operator=(BertEncoder&&) noexcept = default;
BertEncoder::~BertEncoder() = default;

Result<BertEncoder> BertEncoder::load(const Safetensors& weights, const BertConfig& config, Precision precision) {
  auto model = std::make_unique<Model>();
  model->config = config;
  RAGTIME_TRY(model->precision, choose_precision(precision));
  try {
    RAGTIME_TRY_DONE(model->load(TensorReader(weights, model->config, model->precision)));
  } catch (const dnnl::error& error) {
    return make_error(ErrorCode::unsupported, "precision " + std::string(precision_name(model->precision)) +
                                                  " is not supported on this processor: " + error.what());
  }
  return BertEncoder(std::move(model));
}

std::vector<float> BertEncoder::encode(std::span<const TokenSequence> sequences,
                                       std::span<const std::vector<std::int32_t>> types, EncodeProfile* profile,
                                       const std::function<void()>& between_layers) const {
  if (sequences.empty()) return {};
  return model_->encode(model_->check(sequences, types), profile, between_layers);
}

Precision BertEncoder::precision() const {
  return model_->precision;
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
