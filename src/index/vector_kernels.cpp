#include "index/vector_kernels.h"

namespace ragtime::index {

const VectorKernels& best_vector_kernels() {
  static const VectorKernels& best = []() -> const VectorKernels& {
    if (const VectorKernels* kernels = avx512_vnni_vector_kernels()) return *kernels;
    if (const VectorKernels* kernels = avx512_vector_kernels()) return *kernels;
    if (const VectorKernels* kernels = avx2_vector_kernels()) return *kernels;
    return portable_vector_kernels();
  }();
  return best;
}

}  // namespace ragtime::index
