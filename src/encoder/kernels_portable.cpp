#include "encoder/kernels_body.h"

namespace ragtime::encoder {

const Kernels& portable_kernels() {
  static constexpr Kernels kKernels = make_kernels("portable");
  return kKernels;
}

}  // namespace ragtime::encoder
