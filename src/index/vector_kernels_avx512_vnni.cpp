#if defined(__AVX512VNNI__) && defined(__AVX512VPOPCNTDQ__)
#define VECTOR_LANES 16
#include "index/vector_kernels_body.h"

namespace ragtime::index {

const VectorKernels* avx512_vnni_vector_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("avx512_vnni");
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("bmi2") &&
                       __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::index

#else
#include "index/vector_kernels.h"

namespace ragtime::index {

const VectorKernels* avx512_vnni_vector_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
#endif
