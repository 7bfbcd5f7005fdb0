#if defined(__AVX512F__) && defined(__AVX512BW__)
#define PRODUCT_LANES 16
#define PRODUCT_ROWS 8
#define PRODUCT_BLOCKS 4
#include "index/product_kernels_body.h"

namespace ragtime::index {

const ProductKernels* avx512_product_kernels() {
  static constexpr ProductKernels kKernels = make_product_kernels("avx512");
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else
#include "index/product_kernels.h"

namespace ragtime::index {

const ProductKernels* avx512_product_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
