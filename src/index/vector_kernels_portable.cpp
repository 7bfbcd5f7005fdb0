#include "index/vector_kernels_body.h"

namespace ragtime::index {

const VectorKernels& portable_vector_kernels() {
  static constexpr VectorKernels kKernels = make_vector_kernels("portable");
  return kKernels;
}

}  // namespace ragtime::index
