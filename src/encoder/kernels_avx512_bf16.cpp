#if defined(__AVX512F__) && defined(__AVX512BF16__)
#define KERNEL_LANES 16
#include "encoder/encoder_config.h"
#include "encoder/kernels_body.h"

namespace ragtime::encoder {

const Kernels* avx512_bf16_kernels() {
  static constexpr Kernels kKernels = make_kernels("avx512_bf16");
  return has_avx512_bf16() ? &kKernels : nullptr;
}

}  // namespace ragtime::encoder

#else
#include "encoder/kernels.h"

namespace ragtime::encoder {

const Kernels* avx512_bf16_kernels() {
  return nullptr;
}

}  // namespace ragtime::encoder
#endif
