#include "encoder/kernels.h"

#include <algorithm>

namespace ragtime::encoder {

std::size_t attention_scratch_floats(std::size_t length, std::size_t width) {
  constexpr std::size_t kVector = 16;  // Of the widest implementation.
  constexpr std::size_t kRows = 4;
  const std::size_t long_side = (length + kVector - 1) / kVector * kVector;
  const std::size_t short_side = (width + kVector - 1) / kVector * kVector;
  const std::size_t in_floats = width * long_side + long_side * short_side + kRows * (long_side + short_side);
  constexpr std::size_t kBlock = 128 * kVector;  // Of scores, in bf16.
  const std::size_t in_bf16 = long_side * short_side + kBlock + 3 * kVector / 2 * short_side;
  return std::max(in_floats, in_bf16);
}

const Kernels& best_kernels() {
  if (const Kernels* kernels = avx512_bf16_kernels()) return *kernels;
  if (const Kernels* kernels = avx512_kernels()) return *kernels;
  if (const Kernels* kernels = avx2_kernels()) return *kernels;
  return portable_kernels();
}

}  // namespace ragtime::encoder
