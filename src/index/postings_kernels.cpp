#include "index/postings_kernels.h"

#include <bit>
#include <cstring>

namespace ragtime::index {

unsigned packed_bits(std::uint32_t largest) {
  const auto bits = static_cast<unsigned>(std::bit_width(largest));
  return bits > kPackedBitsMax ? 32 : bits;
}

void pack_values(const std::uint32_t* values, unsigned bits, std::uint8_t* packed) {
  std::uint64_t pending = 0;
  unsigned filled = 0;
  for (std::size_t i = 0; i < kPostingsBlock; ++i) {
    pending |= static_cast<std::uint64_t>(values[i]) << filled;
    for (filled += bits; filled >= 8; filled -= 8, pending >>= 8) *packed++ = static_cast<std::uint8_t>(pending);
  }
}

const PostingsKernels& best_postings_kernels() {
  if (const PostingsKernels* kernels = avx512_postings_kernels()) return *kernels;
  if (const PostingsKernels* kernels = avx2_postings_kernels()) return *kernels;
  return portable_postings_kernels();
}

}  // namespace ragtime::index
