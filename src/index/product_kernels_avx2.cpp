#if defined(__AVX2__) && defined(__FMA__)
#define PRODUCT_LANES 8
#define PRODUCT_ROWS 2
#define PRODUCT_BLOCKS 2
#include "index/product_kernels_body.h"

namespace ragtime::index {

const ProductKernels* avx2_product_kernels() {
  static constexpr ProductKernels kKernels = make_product_kernels("avx2");
  const bool present = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else
#include "index/product_kernels.h"

namespace ragtime::index {

const ProductKernels* avx2_product_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
