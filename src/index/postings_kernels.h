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

// A frequency code plus one; 0: the term does not occur.
using Mark = std::uint32_t;

// score = weight · tf / (tf + norm_base + norm_slope · length)
struct PostingScore {
  const float* frequencies = nullptr;      // tf by mark, so that the first is 0; at least 17 must be readable.
  const std::uint32_t* lengths = nullptr;  // By ordinal.
  float weight = 0;
  float norm_base = 0;
  float norm_slope = 0;
};

inline float term_score(float weight, float frequency, float norm) {
  return weight * frequency / (frequency + norm);
}

// Chunks that may be among the best, by columns with room for 16 more.
struct Candidates {
  std::uint32_t* positions = nullptr;  // From the beginning of a window; ascending.
  float* scores = nullptr;
  float* norms = nullptr;
};

// A window is the scores of chunks from ordinal `first` on. `by.lengths` begins at ordinal 0 where ordinals are given,
// and where the window does elsewhere.
struct PostingsKernels {
  const char* name;

  // 128 values of `bits` bits each, little-endian, one behind the other.
  void (*unpack)(const std::uint8_t* packed, unsigned bits, std::uint32_t* values);
  // In place, 128 values: gaps less one to ordinals, the first counted from `before`, which may be -1.
  void (*sum_gaps)(std::uint32_t before, std::uint32_t* values);
  void (*score)(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count, const PostingScore& by,
                float* scores);
  // window[ordinals[i] - first] += score; ordinals are distinct.
  void (*accumulate)(const std::uint32_t* ordinals, const std::uint32_t* codes, std::size_t count,
                     const PostingScore& by, std::uint32_t first, float* window);
  // window[i] += score, of a mark for each chunk of the window. 16 marks and 16 lengths more must be readable.
  void (*accumulate_column)(const std::uint8_t* marks, std::size_t size, const PostingScore& by, float* window);
  // Positions of values of at least `floor`, ascending; returns how many. Room for `size` positions and 16 more.
  std::size_t (*collect)(const float* values, std::size_t size, float floor, std::uint32_t* positions);
  // Scores and norms of `count` positions.
  void (*load)(std::size_t count, const PostingScore& by, const float* window, const Candidates& candidates);
  // Marks of positions, from a mark for each chunk of the window (3 more must be readable) and from a block of 128.
  void (*take_marks)(const std::uint8_t* column, const std::uint32_t* positions, std::size_t count, Mark* marks);
  void (*find_marks)(const std::uint32_t* ordinals, const std::uint32_t* codes, const std::uint32_t* positions,
                     std::size_t count, std::uint32_t first, Mark* marks);
  // Adds the scores of marks, and keeps the candidates that have at least `floor` then; returns how many.
  std::size_t (*complete)(const Mark* marks, std::size_t count, const PostingScore& by, float floor,
                          const Candidates& candidates);
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
