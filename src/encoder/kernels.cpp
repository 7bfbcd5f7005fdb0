#include "encoder/kernels.h"

namespace ragtime::encoder {

std::size_t attention_scratch_floats(std::size_t length, std::size_t width) {
  constexpr std::size_t kVector = 16;  // Of the widest implementation.
  constexpr std::size_t kRows = 4;
  const std::size_t long_side = (length + kVector - 1) / kVector * kVector;
  const std::size_t short_side = (width + kVector - 1) / kVector * kVector;
  return width * long_side + long_side * short_side + kRows * (long_side + 2 * short_side);
}

const Kernels& best_kernels() {
  if (const Kernels* kernels = avx512_bf16_kernels()) return *kernels;
  if (const Kernels* kernels = avx512_kernels()) return *kernels;
  if (const Kernels* kernels = avx2_kernels()) return *kernels;
  return portable_kernels();
}

}  // namespace ragtime::encoder
