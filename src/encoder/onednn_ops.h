// The few oneDNN operations that an encoder needs, prepared once for a fixed set of row counts.
//
// Rows come in tiles of 16, 32, … 128, so that every primitive and its generated code exists before the first call.
// Every primitive is made for, and must run with, one OpenMP thread (see OneThread); calls run in parallel instead.
// Thread safety: const members may be called from any thread, with buffers and a Scratch of the caller's own.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "encoder/model_config.h"

namespace ragtime::encoder {

inline constexpr std::size_t kRowStep = 16;
inline constexpr std::size_t kTileRows = 128;

constexpr std::size_t round_up_rows(std::size_t rows) {
  return (rows + kRowStep - 1) / kRowStep * kRowStep;
}

// Limits oneDNN to one OpenMP thread on the calling thread while it lives.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// What one call owns: oneDNN's queue and temporary memory.
class Scratch {
 public:
  explicit Scratch(const dnnl::engine& engine) : stream(engine) {}
  dnnl::memory memory(const dnnl::engine& engine, const dnnl::memory::desc& desc);

  dnnl::stream stream;

 private:
  std::vector<std::byte> bytes_;
};

enum class Epilogue { none, gelu_erf, gelu_tanh, relu, add };  // add: to what `out` holds already.

// out = epilogue(in · weightsᵀ + bias).
class Linear {
 public:
  // `weights` is [outputs][inputs]; it is copied into oneDNN's own layout.
  Linear(dnnl::engine engine, std::span<const float> weights, std::span<const float> bias, Epilogue epilogue);
  // `rows` is a multiple of kRowStep up to kTileRows; in [rows][inputs], out [rows][outputs].
  void run(Scratch& scratch, std::size_t rows, const float* in, float* out) const;

 private:
  dnnl::engine engine_;
  dnnl::memory weights_;
  dnnl::memory bias_;
  std::vector<dnnl::matmul::primitive_desc> descs_;  // One per number of row steps.
  std::vector<dnnl::matmul> primitives_;
};

// Normalises each row to mean 0 and variance 1, then scales and shifts it; in place.
class LayerNorm {
 public:
  LayerNorm(dnnl::engine engine, std::span<const float> scale, std::span<const float> shift, float epsilon);
  void run(Scratch& scratch, std::size_t rows, float* values) const;

 private:
  dnnl::engine engine_;
  dnnl::memory scale_;
  dnnl::memory shift_;
  std::vector<dnnl::layer_normalization_forward::primitive_desc> descs_;
  std::vector<dnnl::layer_normalization_forward> primitives_;
};

// Softmax over the rows of a square matrix whose side is a multiple of kRowStep; in place.
class SquareSoftmax {
 public:
  SquareSoftmax(dnnl::engine engine, std::size_t side_max);
  void run(Scratch& scratch, std::size_t side, float* values) const;

 private:
  dnnl::engine engine_;
  std::vector<dnnl::softmax_forward::primitive_desc> descs_;
  std::vector<dnnl::softmax_forward> primitives_;
};

}  // namespace ragtime::encoder
