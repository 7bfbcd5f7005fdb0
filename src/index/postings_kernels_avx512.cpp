#include "index/postings_kernels.h"

namespace ragtime::index {

const PostingsKernels* avx512_postings_kernels() {
  return nullptr;
}

}  // namespace ragtime::index
