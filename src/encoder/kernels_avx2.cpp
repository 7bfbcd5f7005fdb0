#if defined(__AVX2__) && defined(__FMA__)
#define KERNEL_LANES 8
#include "encoder/kernels_body.h"

namespace ragtime::encoder {

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels = make_kernels("avx2");
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kKernels : nullptr;
}

}  // namespace ragtime::encoder

#else
#include "encoder/kernels.h"

namespace ragtime::encoder {

const Kernels* avx2_kernels() {
  return nullptr;
}

}  // namespace ragtime::encoder
#endif
