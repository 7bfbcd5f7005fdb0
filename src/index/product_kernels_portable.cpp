#include "index/product_kernels_body.h"

namespace ragtime::index {

const ProductKernels& portable_product_kernels() {
  static constexpr ProductKernels kKernels = make_product_kernels("portable");
  return kKernels;
}

}  // namespace ragtime::index
