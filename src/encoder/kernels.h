// Kernels: the element-wise, normalising and attention arithmetic around the encoder's matrix products.
//
// One implementation per instruction set, of the same source; best_kernels() picks at run time.
// Every function works on one row (or one head), reads and writes exactly the sizes given, and keeps no state.
// Thread safety: all functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ragtime::encoder {

// What an 8-bit row stands for: value = scale · byte + minimum.
struct RowScale {
  float scale = 0;
  float minimum = 0;
};

// Per output of an 8-bit linear layer: weights = scale · byte, `sum` adds up the bytes of the output.
struct ColumnScales {
  const float* scale = nullptr;
  const float* sum = nullptr;
  const float* bias = nullptr;
};

// One head of one sequence. Rows of query, key and value lie `stride` floats apart, rows of `out` `out_stride`.
struct AttentionHead {
  const float* query = nullptr;
  const float* key = nullptr;
  const float* value = nullptr;
  float* out = nullptr;
  std::size_t stride = 0;
  std::size_t out_stride = 0;
  std::size_t length = 0;
  std::size_t width = 0;
  float* scratch = nullptr;  // attention_scratch_floats(length, width)
};

struct Kernels {
  const char* name;  // "avx512_bf16", "avx512", "avx2", "portable"

  // Mean 0 and variance 1, then scaled and shifted; in place.
  void (*layer_norm)(float* row, std::size_t size, const float* scale, const float* shift, float epsilon);
  // In place. Absolute error at most 2e-6.
  void (*gelu_erf)(float* row, std::size_t size);
  // As gelu_erf with an absolute error up to 1e-4, which bf16 and 8-bit rows do not resolve anyway.
  void (*gelu_erf_coarse)(float* row, std::size_t size);
  void (*gelu_tanh)(float* row, std::size_t size);
  void (*relu)(float* row, std::size_t size);
  void (*to_bf16)(const float* row, std::size_t size, std::uint16_t* out);  // Rounds to nearest, ties to even.
  RowScale (*quantize)(const float* row, std::size_t size, std::uint8_t* out);
  // The product of a quantized row with 8-bit weights, as values with bias. `out` may be `sums` itself.
  void (*dequantize)(const std::int32_t* sums, std::size_t size, RowScale row, const ColumnScales& columns, float* out);
  void (*dequantize_add)(const std::int32_t* sums, std::size_t size, RowScale row, const ColumnScales& columns,
                         float* out);
  // out = softmax(query · keyᵀ / √width) · value.
  void (*attend)(const AttentionHead& head);
  // As attend, with the factors of both products rounded to bf16 where that is faster.
  void (*attend_coarse)(const AttentionHead& head);
};

std::size_t attention_scratch_floats(std::size_t length, std::size_t width);

const Kernels& portable_kernels();
// Null where this processor lacks the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_bf16_kernels();
const Kernels& best_kernels();

}  // namespace ragtime::encoder
