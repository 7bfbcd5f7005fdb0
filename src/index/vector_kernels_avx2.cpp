#if defined(__AVX2__) && defined(__FMA__)
#define VECTOR_LANES 8
#include "index/vector_kernels_body.h"

namespace ragtime::index {

const VectorKernels* avx2_vector_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("avx2");
  const bool present =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else
#include "index/vector_kernels.h"

namespace ragtime::index {

const VectorKernels* avx2_vector_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
