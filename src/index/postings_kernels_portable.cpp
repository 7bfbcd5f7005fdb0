#include <algorithm>
#include <cstring>

#include "index/postings_kernels.h"

namespace ragtime::index {
namespace {

void unpack(const std::uint8_t* packed, unsigned bits, std::uint32_t* values) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  for (std::size_t i = 0; i < kPostingsBlock; ++i) {
    const std::size_t bit = i * bits;
    std::uint64_t word;
    std::memcpy(&word, packed + bit / 8, sizeof(word));
    values[i] = static_cast<std::uint32_t>((word >> (bit % 8)) & mask);
  }
}

void sum_gaps(std::uint32_t before, std::uint32_t* values) {
  for (std::size_t i = 0; i < kPostingsBlock; ++i) values[i] = before += values[i] + 1;
}

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  for (std::size_t i = 0; i < count; ++i) {
    const float norm = by.norm_base + by.norm_slope * static_cast<float>(by.lengths[ordinals[i]]);
    scores[i] = term_score(by.weight, by.frequencies[codes[i]], norm);
  }
}

void accumulate(const std::uint32_t* ordinals, const float* scores, std::size_t count, std::uint32_t first,
                float* window) {
  for (std::size_t i = 0; i < count; ++i) window[ordinals[i] - first] += scores[i];
}

std::size_t collect(const float* values, std::size_t size, float floor, std::uint32_t* positions) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++i) {
    positions[count] = static_cast<std::uint32_t>(i);
    count += values[i] >= floor;
  }
  return count;
}

std::size_t count_below(const std::uint32_t* ordinals, std::uint32_t wanted) {
  return static_cast<std::size_t>(std::lower_bound(ordinals, ordinals + kPostingsBlock, wanted) - ordinals);
}

}  // namespace

const PostingsKernels& portable_postings_kernels() {
  static constexpr PostingsKernels kKernels{"portable", unpack, sum_gaps, score, accumulate, collect, count_below};
  return kKernels;
}

}  // namespace ragtime::index
