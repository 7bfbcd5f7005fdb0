#include "index/product_kernels.h"

namespace ragtime::index {

const ProductKernels& best_product_kernels() {
  static const ProductKernels& best = []() -> const ProductKernels& {
    if (const ProductKernels* kernels = avx512_product_kernels()) return *kernels;
    if (const ProductKernels* kernels = avx2_product_kernels()) return *kernels;
    return portable_product_kernels();
  }();
  return best;
}

}  // namespace ragtime::index
