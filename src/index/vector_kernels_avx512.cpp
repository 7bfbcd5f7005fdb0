#if defined(__AVX512F__) && defined(__AVX512BW__)
#define VECTOR_LANES 16
#include "index/vector_kernels_body.h"

namespace ragtime::index {

const VectorKernels* avx512_vector_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("avx512");
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("bmi2");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else
#include "index/vector_kernels.h"

namespace ragtime::index {

const VectorKernels* avx512_vector_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
