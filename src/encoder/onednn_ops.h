// The linear layers of an encoder on oneDNN, prepared once for a fixed set of row counts.
//
// Rows come in tiles of 16, 32, … 128, so that every primitive and its generated code exists before the first call.
// Every primitive is made for, and must run with, one OpenMP thread (see OneThread); calls run in parallel instead.
// Thread safety: const members may be called from any thread, with buffers and a Scratch of the caller's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "encoder/encoder_config.h"
#include "encoder/kernels.h"

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
  // At least `size` bytes aligned for vectors; what it held before is lost. oneDNN's own temporary memory is apart.
  std::byte* bytes(std::size_t size);
  dnnl::memory memory(const dnnl::engine& engine, const dnnl::memory::desc& desc);

  dnnl::stream stream;

 private:
  std::vector<std::byte> own_;
  std::vector<std::byte> onednn_;
};

// Rows in the precision that a Linear reads.
struct Operand {
  Precision precision = Precision::f32;
  std::byte* data = nullptr;   // [rows][columns] of float, bf16 or bytes.
  RowScale* scales = nullptr;  // int8: one per row.
  std::size_t columns = 0;

  Operand from_row(std::size_t row) const;
  // Converts one row of `columns` values; in f32 copies it unless it is there already.
  void set_row(const Kernels& kernels, std::size_t row, const float* values) const;
};

std::size_t element_bytes(Precision precision);

// out = in · weightsᵀ + bias, or out += in · weightsᵀ + bias.
class Linear {
 public:
  enum class Output { replace, add };

  // `weights` is [outputs][inputs]; it is converted and copied into oneDNN's own layout.
  // Throws dnnl::error when oneDNN has no implementation.
  Linear(dnnl::engine engine, Precision precision, std::span<const float> weights, std::span<const float> bias,
         Output output);
  // `rows` is a multiple of kRowStep up to kTileRows; in [rows][inputs], out [rows][outputs].
  void run(const Kernels& kernels, Scratch& scratch, std::size_t rows, const Operand& in, float* out) const;

 private:
  void create_primitives(std::size_t inputs, std::size_t outputs);
  void pack(std::span<const float> weights, std::size_t inputs);
  void pack_bytes(std::span<const float> weights, std::size_t inputs);
  void multiply(Scratch& scratch, std::size_t rows, const Operand& in, void* out) const;

  dnnl::engine engine_;
  Precision precision_;
  Output output_;
  std::vector<float> bias_;
  std::vector<float> weight_scales_;  // int8 only, as weight_sums_.
  std::vector<float> weight_sums_;
  dnnl::memory weights_;
  dnnl::memory bias_memory_;                         // Over bias_; not with int8.
  std::vector<dnnl::matmul::primitive_desc> descs_;  // One per number of row steps.
  std::vector<dnnl::matmul> primitives_;
};

}  // namespace ragtime::encoder
