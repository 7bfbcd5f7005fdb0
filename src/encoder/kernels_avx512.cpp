#if defined(__AVX512F__) && defined(__AVX512BW__)
#define KERNEL_LANES 16
#include "encoder/kernels_body.h"

namespace ragtime::encoder {

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels = make_kernels("avx512");
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return present ? &kKernels : nullptr;
}

}  // namespace ragtime::encoder

#else
#include "encoder/kernels.h"

namespace ragtime::encoder {

const Kernels* avx512_kernels() {
  return nullptr;
}

}  // namespace ragtime::encoder
#endif
