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

float norm_of(const PostingScore& by, std::uint32_t length) {
  return by.norm_base + by.norm_slope * static_cast<float>(length);
}

void score(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
           float* scores) {
  for (std::size_t i = 0; i < count; ++i) {
    scores[i] = term_score(by.weight, by.frequencies[codes[i] + 1], norm_of(by, by.lengths[ordinals[i]]));
  }
}

void accumulate(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
                std::uint32_t first, float* window) {
  for (std::size_t i = 0; i < count; ++i) {
    const float norm = norm_of(by, by.lengths[ordinals[i]]);
    window[ordinals[i] - first] += term_score(by.weight, by.frequencies[codes[i] + 1], norm);
  }
}

void accumulate_column(const std::uint8_t* marks, std::size_t size, const PostingScore& by, float* window) {
  for (std::size_t i = 0; i < size; ++i) {
    window[i] += term_score(by.weight, by.frequencies[marks[i]], norm_of(by, by.lengths[i]));
  }
}

std::size_t collect(const float* values, std::size_t size, float floor, std::uint32_t* positions) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; ++i) {
    positions[count] = static_cast<std::uint32_t>(i);
    count += values[i] >= floor;
  }
  return count;
}

void load(std::size_t count, const PostingScore& by, const float* window, const Candidates& candidates) {
  for (std::size_t i = 0; i < count; ++i) {
    candidates.scores[i] = window[candidates.positions[i]];
    candidates.norms[i] = norm_of(by, by.lengths[candidates.positions[i]]);
  }
}

void take_marks(const std::uint8_t* column, const std::uint32_t* positions, std::size_t count, Mark* marks) {
  for (std::size_t i = 0; i < count; ++i) marks[i] = column[positions[i]];
}

std::size_t count_below(const std::uint32_t* ordinals, std::uint32_t wanted) {
  return static_cast<std::size_t>(std::lower_bound(ordinals, ordinals + kPostingsBlock, wanted) - ordinals);
}

void find_marks(const std::uint32_t* ordinals, const std::uint32_t* codes, const std::uint32_t* positions,
                std::size_t count, std::uint32_t first, Mark* marks) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t wanted = first + positions[i];
    const std::size_t at = count_below(ordinals, wanted);
    marks[i] = at < kPostingsBlock && ordinals[at] == wanted ? codes[at] + 1 : 0;
  }
}

std::size_t complete(const Mark* marks, std::size_t count, const PostingScore& by, float floor,
                     const Candidates& candidates) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float norm = candidates.norms[i];
    const float score = candidates.scores[i] + term_score(by.weight, by.frequencies[marks[i]], norm);
    candidates.positions[kept] = candidates.positions[i];
    candidates.scores[kept] = score;
    candidates.norms[kept] = norm;
    kept += score >= floor;
  }
  return kept;
}

}  // namespace

const PostingsKernels& portable_postings_kernels() {
  static constexpr PostingsKernels kKernels{"portable", unpack, sum_gaps,   score,      accumulate, accumulate_column,
                                            collect,    load,   take_marks, find_marks, complete,   count_below};
  return kKernels;
}

}  // namespace ragtime::index
