// Postings kernels: the arithmetic on blocks of postings, one implementation per instruction set.
//
// All give the same bits: no contraction, no approximate division. best_postings_kernels() picks at run time.
// Thread safety: all functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ragtime::index {

inline constexpr std::size_t kPostingsBlock = 128;
// Bytes that must be readable behind packed values.
inline constexpr std::size_t kPackedPadding = 64;
// Wider values are packed in 32 bits.
inline constexpr unsigned kPackedBitsMax = 25;

// score = weight · tf / (tf + norm_base + norm_slope · length)
struct PostingScore {
  const float* frequencies = nullptr;      // tf by frequency code; at least 16 must be readable.
  const std::uint32_t* lengths = nullptr;  // By ordinal.
  float weight = 0;
  float norm_base = 0;
  float norm_slope = 0;
};

inline float term_score(float weight, float frequency, float norm) {
  return weight * frequency / (frequency + norm);
}

struct PostingsKernels {
  const char* name;

  // 128 values of `bits` bits each, little-endian, one behind the other.
  void (*unpack)(const std::uint8_t* packed, unsigned bits, std::uint32_t* values);
  // In place, 128 values: gaps less one to ordinals, the first counted from `before`, which may be -1.
  void (*sum_gaps)(std::uint32_t before, std::uint32_t* values);
  void (*score)(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
                float* scores);
  // window[ordinals[i] - first] += scores[i]; ordinals are distinct.
  void (*accumulate)(const std::uint32_t* ordinals, const float* scores, std::size_t count, std::uint32_t first,
                     float* window);
  // Positions of values of at least `floor`, ascending; returns how many. Room for `size` positions and 16 more.
  std::size_t (*collect)(const float* values, std::size_t size, float floor, std::uint32_t* positions);
  // How many of 128 ascending ordinals are below `wanted`.
  std::size_t (*count_below)(const std::uint32_t* ordinals, std::uint32_t wanted);
};

const PostingsKernels& portable_postings_kernels();
// Null where this processor lacks the instructions.
const PostingsKernels* avx2_postings_kernels();
const PostingsKernels* avx512_postings_kernels();
const PostingsKernels& best_postings_kernels();

// The inverse of unpack; writes 16 · bits bytes. Precondition: bits is at most kPackedBitsMax, or 32.
void pack_values(const std::uint32_t* values, unsigned bits, std::uint8_t* packed);
unsigned packed_bits(std::uint32_t largest);

}  // namespace ragtime::index
