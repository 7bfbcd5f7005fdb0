#include "encoder/onednn_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include <omp.h>

#include "base/check.h"

namespace ragtime::encoder {
namespace {

using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

dnnl::memory::dim dim(std::size_t value) {
  return static_cast<dnnl::memory::dim>(value);
}

dnnl::memory::desc matrix(std::size_t rows, std::size_t columns, Type type, Tag tag = Tag::ab) {
  return {{dim(rows), dim(columns)}, type, tag};
}

dnnl::memory wrap(const dnnl::memory::desc& desc, const dnnl::engine& engine, const void* data) {
  return {desc, engine, const_cast<void*>(data)};  // oneDNN has no read-only memory.
}

Type input_type(Precision precision) {
  return precision == Precision::int8 ? Type::u8 : precision == Precision::bf16 ? Type::bf16 : Type::f32;
}
Type weight_type(Precision precision) {
  return precision == Precision::int8 ? Type::s8 : input_type(precision);
}

std::byte* aligned(std::vector<std::byte>& bytes, std::size_t size) {
  constexpr std::size_t kAlignment = 64;
  if (bytes.size() < size + kAlignment) bytes.resize(size + kAlignment);
  void* start = bytes.data();
  std::size_t space = bytes.size();
  return static_cast<std::byte*>(std::align(kAlignment, size, start, space));
}

}  // namespace

OneThread::OneThread() : before_(omp_get_max_threads()) {
  omp_set_num_threads(1);
}
OneThread::~OneThread() {
  omp_set_num_threads(before_);
}

std::byte* Scratch::bytes(std::size_t size) {
  return aligned(own_, size);
}

dnnl::memory Scratch::memory(const dnnl::engine& engine, const dnnl::memory::desc& desc) {
  return {desc, engine, aligned(onednn_, desc.get_size())};
}

std::size_t element_bytes(Precision precision) {
  return precision == Precision::int8 ? 1 : precision == Precision::bf16 ? 2 : sizeof(float);
}

Operand Operand::from_row(std::size_t row) const {
  Operand part = *this;
  part.data += row * columns * element_bytes(precision);
  if (scales != nullptr) part.scales += row;
  return part;
}

void Operand::set_row(const Kernels& kernels, std::size_t row, const float* values) const {
  std::byte* const to = data + row * columns * element_bytes(precision);
  if (precision == Precision::int8) {
    scales[row] = kernels.quantize(values, columns, reinterpret_cast<std::uint8_t*>(to));
  } else if (precision == Precision::bf16) {
    kernels.to_bf16(values, columns, reinterpret_cast<std::uint16_t*>(to));
  } else if (static_cast<const void*>(to) != values) {
    std::memcpy(to, values, columns * sizeof(float));
  }
}

Linear::Linear(dnnl::engine engine, Precision precision, std::span<const float> weights, std::span<const float> bias,
               Output output)
    : engine_(std::move(engine)), precision_(precision), output_(output), bias_(bias.begin(), bias.end()) {
  const std::size_t inputs = weights.size() / bias.size();
  create_primitives(inputs, bias.size());
  if (precision == Precision::int8) {
    pack_bytes(weights, inputs);
  } else {
    pack(weights, inputs);
  }
}

void Linear::create_primitives(std::size_t inputs, std::size_t outputs) {
  const bool bytes = precision_ == Precision::int8;
  const auto bias = bytes ? dnnl::memory::desc() : matrix(1, outputs, Type::f32);
  if (!bytes) bias_memory_ = wrap(bias, engine_, bias_.data());
  dnnl::primitive_attr attributes;
  // oneDNN's own scratchpad belongs to the thread that made the primitive; ours belongs to the call.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (!bytes && output_ == Output::add) {
    dnnl::post_ops operations;
    operations.append_sum(1.f);
    attributes.set_post_ops(operations);
  }
  auto packed = matrix(inputs, outputs, weight_type(precision_), Tag::any);
  // The largest tile chooses the layout of the weights; the smaller ones follow.
  for (std::size_t rows = kTileRows; rows > 0; rows -= kRowStep) {
    const auto in = matrix(rows, inputs, input_type(precision_));
    const auto out = matrix(rows, outputs, bytes ? Type::s32 : Type::f32);
    const auto operation = bytes ? dnnl::matmul::desc(in, packed, out) : dnnl::matmul::desc(in, packed, bias, out);
    descs_.emplace_back(operation, attributes, engine_);
    packed = descs_.front().weights_desc();
  }
  std::reverse(descs_.begin(), descs_.end());
  for (const auto& desc : descs_) primitives_.emplace_back(desc);
  weights_ = dnnl::memory(packed, engine_);
}

void Linear::pack(std::span<const float> weights, std::size_t inputs) {
  dnnl::stream stream(engine_);
  auto given = wrap(matrix(inputs, bias_.size(), Type::f32, Tag::ba), engine_, weights.data());
  dnnl::reorder(given, weights_).execute(stream, given, weights_);
  stream.wait();
}

void Linear::pack_bytes(std::span<const float> weights, std::size_t inputs) {
  constexpr float kMost = 127.f;
  std::vector<std::int8_t> bytes(weights.size());
  for (std::size_t output = 0; output < bias_.size(); ++output) {
    const auto row = weights.subspan(output * inputs, inputs);
    float most = 0;
    for (float weight : row) most = std::max(most, std::abs(weight));
    const float scale = most > 0 ? most / kMost : 1.f;
    int total = 0;
    for (std::size_t i = 0; i < inputs; ++i) {
      const auto byte = static_cast<std::int8_t>(std::lround(row[i] / scale));
      bytes[output * inputs + i] = byte;
      total += byte;
    }
    weight_scales_.push_back(scale);
    weight_sums_.push_back(static_cast<float>(total));
  }
  dnnl::stream stream(engine_);
  auto given = wrap(matrix(inputs, bias_.size(), Type::s8, Tag::ba), engine_, bytes.data());
  dnnl::reorder(given, weights_).execute(stream, given, weights_);
  stream.wait();
}

void Linear::multiply(Scratch& scratch, std::size_t rows, const Operand& in, void* out) const {
  RAGTIME_CHECK(rows > 0 && rows % kRowStep == 0 && rows <= kTileRows);
  const std::size_t i = rows / kRowStep - 1;
  const auto& desc = descs_[i];
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, wrap(desc.src_desc(), engine_, in.data)},
      {DNNL_ARG_WEIGHTS, weights_},
      {DNNL_ARG_DST, wrap(desc.dst_desc(), engine_, out)},
      {DNNL_ARG_SCRATCHPAD, scratch.memory(engine_, desc.scratchpad_desc())}};
  if (precision_ != Precision::int8) arguments.emplace(DNNL_ARG_BIAS, bias_memory_);
  primitives_[i].execute(scratch.stream, arguments);
}

void Linear::run(const Kernels& kernels, Scratch& scratch, std::size_t rows, const Operand& in, float* out) const {
  if (precision_ != Precision::int8) {
    multiply(scratch, rows, in, out);
    return;
  }
  const std::size_t outputs = bias_.size();
  const bool add = output_ == Output::add;
  static_assert(sizeof(float) == sizeof(std::int32_t));
  auto* sums = add ? reinterpret_cast<std::int32_t*>(scratch.bytes(rows * outputs * sizeof(std::int32_t)))
                   : reinterpret_cast<std::int32_t*>(out);
  multiply(scratch, rows, in, sums);
  const ColumnScales columns{weight_scales_.data(), weight_sums_.data(), bias_.data()};
  const auto dequantize = add ? kernels.dequantize_add : kernels.dequantize;
  for (std::size_t row = 0; row < rows; ++row) {
    dequantize(sums + row * outputs, outputs, in.scales[row], columns, out + row * outputs);
  }
}

}  // namespace ragtime::encoder
