#include "encoder/onednn_ops.h"

#include <cstring>
#include <utility>

#include <omp.h>

#include "base/check.h"

namespace ragtime::encoder {
namespace {

using Tag = dnnl::memory::format_tag;

constexpr std::size_t kRowCounts = kTileRows / kRowStep;

dnnl::memory::dim dim(std::size_t value) {
  return static_cast<dnnl::memory::dim>(value);
}

dnnl::memory::desc matrix(std::size_t rows, std::size_t columns, Tag tag = Tag::ab) {
  return {{dim(rows), dim(columns)}, dnnl::memory::data_type::f32, tag};
}

dnnl::memory wrap(const dnnl::memory::desc& desc, const dnnl::engine& engine, const float* data) {
  return {desc, engine, const_cast<float*>(data)};  // oneDNN has no read-only memory.
}

dnnl::memory copy_vector(const dnnl::engine& engine, std::span<const float> values, const dnnl::memory::dims& dims) {
  dnnl::memory copy({dims, dnnl::memory::data_type::f32, dims.size() == 1 ? Tag::a : Tag::ab}, engine);
  std::memcpy(copy.get_data_handle(), values.data(), values.size_bytes());
  return copy;
}

dnnl::primitive_attr attributes(Epilogue epilogue = Epilogue::none) {
  dnnl::post_ops operations;
  switch (epilogue) {
    case Epilogue::none:
      break;
    case Epilogue::gelu_erf:
      operations.append_eltwise(1.f, dnnl::algorithm::eltwise_gelu_erf, 0.f, 0.f);
      break;
    case Epilogue::gelu_tanh:
      operations.append_eltwise(1.f, dnnl::algorithm::eltwise_gelu_tanh, 0.f, 0.f);
      break;
    case Epilogue::relu:
      operations.append_eltwise(1.f, dnnl::algorithm::eltwise_relu, 0.f, 0.f);
      break;
    case Epilogue::add:
      operations.append_sum(1.f);
      break;
  }
  dnnl::primitive_attr attr;
  attr.set_post_ops(operations);
  // oneDNN's own scratchpad belongs to the thread that made the primitive; ours belongs to the call.
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

std::size_t index_of(std::size_t rows) {
  RAGTIME_CHECK(rows > 0 && rows % kRowStep == 0);
  return rows / kRowStep - 1;
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) {
  omp_set_num_threads(1);
}
OneThread::~OneThread() {
  omp_set_num_threads(before_);
}

dnnl::memory Scratch::memory(const dnnl::engine& engine, const dnnl::memory::desc& desc) {
  constexpr std::size_t kAlignment = 64;
  if (bytes_.size() < desc.get_size() + kAlignment) bytes_.resize(desc.get_size() + kAlignment);
  void* start = bytes_.data();
  std::size_t space = bytes_.size();
  return {desc, engine, std::align(kAlignment, desc.get_size(), start, space)};
}

Linear::Linear(dnnl::engine engine, std::span<const float> weights, std::span<const float> bias, Epilogue epilogue)
    : engine_(std::move(engine)) {
  const std::size_t outputs = bias.size();
  const std::size_t inputs = weights.size() / outputs;
  bias_ = copy_vector(engine_, bias, {1, dim(outputs)});
  auto packed = matrix(inputs, outputs, Tag::any);
  std::vector<dnnl::matmul::primitive_desc> largest_first;
  // The largest tile chooses the layout of the weights; the smaller ones follow.
  for (std::size_t rows = kTileRows; rows > 0; rows -= kRowStep) {
    const dnnl::matmul::desc operation(matrix(rows, inputs), packed, bias_.get_desc(), matrix(rows, outputs));
    largest_first.emplace_back(operation, attributes(epilogue), engine_);
    packed = largest_first.front().weights_desc();
  }
  descs_.assign(largest_first.rbegin(), largest_first.rend());
  for (const auto& desc : descs_) primitives_.emplace_back(desc);

  dnnl::stream stream(engine_);
  weights_ = dnnl::memory(packed, engine_);
  auto given = wrap(matrix(inputs, outputs, Tag::ba), engine_, weights.data());
  dnnl::reorder(given, weights_).execute(stream, given, weights_);
  stream.wait();
}

void Linear::run(Scratch& scratch, std::size_t rows, const float* in, float* out) const {
  const std::size_t i = index_of(rows);
  const auto& desc = descs_[i];
  primitives_[i].execute(scratch.stream, {{DNNL_ARG_SRC, wrap(desc.src_desc(), engine_, in)},
                                          {DNNL_ARG_WEIGHTS, weights_},
                                          {DNNL_ARG_BIAS, bias_},
                                          {DNNL_ARG_DST, wrap(desc.dst_desc(), engine_, out)},
                                          {DNNL_ARG_SCRATCHPAD, scratch.memory(engine_, desc.scratchpad_desc())}});
}

LayerNorm::LayerNorm(dnnl::engine engine, std::span<const float> scale, std::span<const float> shift, float epsilon)
    : engine_(std::move(engine)) {
  const std::size_t columns = scale.size();
  scale_ = copy_vector(engine_, scale, {dim(columns)});
  shift_ = copy_vector(engine_, shift, {dim(columns)});
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  for (std::size_t step = 1; step <= kRowCounts; ++step) {
    const dnnl::layer_normalization_forward::desc operation(dnnl::prop_kind::forward_inference,
                                                            matrix(step * kRowStep, columns), epsilon, flags);
    descs_.emplace_back(operation, attributes(), engine_);
    primitives_.emplace_back(descs_.back());
  }
}

void LayerNorm::run(Scratch& scratch, std::size_t rows, float* values) const {
  const std::size_t i = index_of(rows);
  const auto& desc = descs_[i];
  const auto memory = wrap(desc.src_desc(), engine_, values);
  primitives_[i].execute(scratch.stream, {{DNNL_ARG_SRC, memory},
                                          {DNNL_ARG_DST, memory},
                                          {DNNL_ARG_SCALE, scale_},
                                          {DNNL_ARG_SHIFT, shift_},
                                          {DNNL_ARG_SCRATCHPAD, scratch.memory(engine_, desc.scratchpad_desc())}});
}

SquareSoftmax::SquareSoftmax(dnnl::engine engine, std::size_t side_max) : engine_(std::move(engine)) {
  for (std::size_t side = kRowStep; side <= round_up_rows(side_max); side += kRowStep) {
    const dnnl::softmax_forward::desc operation(dnnl::prop_kind::forward_inference, matrix(side, side), 1);
    descs_.emplace_back(operation, attributes(), engine_);
    primitives_.emplace_back(descs_.back());
  }
}

void SquareSoftmax::run(Scratch& scratch, std::size_t side, float* values) const {
  const std::size_t i = index_of(side);
  const auto& desc = descs_[i];
  const auto memory = wrap(desc.src_desc(), engine_, values);
  primitives_[i].execute(scratch.stream, {{DNNL_ARG_SRC, memory},
                                          {DNNL_ARG_DST, memory},
                                          {DNNL_ARG_SCRATCHPAD, scratch.memory(engine_, desc.scratchpad_desc())}});
}

}  // namespace ragtime::encoder
