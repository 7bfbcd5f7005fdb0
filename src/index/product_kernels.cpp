#include "index/product_kernels.h"

namespace ragtime::index {

std::int32_t table_sum(const std::uint8_t* codes, std::size_t pairs, const std::uint8_t* table) {
  std::int32_t sum = 0;
  for (std::size_t pair = 0; pair < pairs; ++pair, table += 2 * kCodewords) {
    const unsigned byte = codes[pair * kCodeBlock];
    sum += table[byte & 15] + table[kCodewords + (byte >> 4)];
  }
  return sum;
}

const ProductKernels& best_product_kernels() {
  static const ProductKernels& best = []() -> const ProductKernels& {
    if (const ProductKernels* kernels = avx512_product_kernels()) return *kernels;
    if (const ProductKernels* kernels = avx2_product_kernels()) return *kernels;
    return portable_product_kernels();
  }();
  return best;
}

}  // namespace ragtime::index
