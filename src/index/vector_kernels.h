// Vector kernels: inner products of a query with f32 rows, 4-bit codes and 1-bit codes, and what goes with them, once
// per instruction set.
//
// Those of integers give the same bits everywhere; those of floats differ in the order of additions.
// best_vector_kernels() picks at run time. Thread safety: all functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ragtime::index {

// Vectors whose 1-bit codes lie together: word w of vector v at [w * kBitBlock + v].
inline constexpr std::size_t kBitBlock = 8;
// Bits of a query coordinate that 1-bit codes are compared with.
inline constexpr std::size_t kQueryPlanes = 4;

// Behind what is asked for, the room that kernels need which write whole registers: of positions and numbers, and of
// insert_descending().
inline constexpr std::size_t kWriteRoom = 16;
inline constexpr std::size_t kInsertRoom = 64;

struct BoundTerms {
  float base = 0;
  float offset = 0;
  float factor = 0;
  float slack = 0;
};

// What became of a query's values: sums of its numbers, and of squares.
struct QueryRounding {
  std::int32_t coarse_sum = 0;  // Σ coarse
  std::int32_t sum = 0;         // Σ 128 · coarse + fine
  float norm2 = 0;
  float rounding2 = 0;  // Of values less step · coarse.
};

// Which ids of one word of 64 a segment has, and the ordinal of the first of them.
struct IdWord {
  std::uint64_t ids = 0;
  std::uint32_t word = 0;
  std::uint32_t first = 0;
};

struct VectorKernels {
  const char* name;

  float (*dot)(const float* a, const float* b, std::size_t size);
  // out[i] = <query, rows + i * size>
  void (*dot_rows)(const float* query, const float* rows, std::size_t count, std::size_t size, float* out);

  // Codes of 4 bits: byte j holds coordinate j in its low and coordinate half + j in its high bits.
  // Σ code · query over 2 · half coordinates, half a multiple of 32 and at most 2^19.
  std::int32_t (*dot_nibbles)(const std::uint8_t* codes, const std::int8_t* query, std::size_t half);
  // out[i] = that of codes + i * stride
  void (*dot_nibble_rows)(const std::uint8_t* codes, std::size_t stride, std::size_t count, const std::int8_t* query,
                          std::size_t half, std::int32_t* out);
  // out[i] = that of codes[i]
  void (*dot_nibble_list)(const std::uint8_t* const* codes, std::size_t count, const std::int8_t* query,
                          std::size_t half, std::int32_t* out);
  // Σ (16 · high + low) · (128 · coarse + fine)
  std::int64_t (*dot_fine)(const std::uint8_t* high, const std::uint8_t* low, const std::int8_t* coarse,
                           const std::int8_t* fine, std::size_t half);

  // For `blocks` blocks of kBitBlock vectors of `words` words: out[i] = Σ_p 2^p · popcount(code xor plane p).
  // Plane p of the query lies at planes + p * words.
  void (*bit_distances)(const std::uint64_t* codes, std::size_t blocks, const std::uint64_t* planes, std::size_t words,
                        std::int32_t* out);
  // Of single codes: heads[i] is followed, behind `words` words of code, by the floats add and scale, and
  // out[i] = base + add + scale · (offset + slack + factor · Σ_p 2^p · popcount(code xor plane p)). Precondition: count > 0.
  void (*bit_bounds)(const std::uint8_t* const* heads, std::size_t count, const std::uint64_t* planes,
                     std::size_t words, const BoundTerms& terms, float* out);
  // out[i] = base + add[i] + scale[i] · (offset + factor · values[i]) + slack · error[i]
  void (*upper_bounds)(const std::int32_t* values, const float* scale, const float* add, const float* error,
                       std::size_t count, const BoundTerms& terms, float* out);
  // In place, normalised, hence its own inverse. Precondition: size is a power of two, at least 64.
  void (*hadamard)(float* values, std::size_t size);

  // values[i] *= factors[i]
  void (*multiply)(float* values, const float* factors, std::size_t size);

  float (*largest_magnitude)(const float* values, std::size_t size);

  // A query's values in two steps: values ≈ step · coarse ≈ step / 128 · (128 · coarse + fine); inverse is 128 / step, or
  // 0 for zeros. Sizes of both are multiples of 64.
  QueryRounding (*round_query)(const float* values, std::size_t size, float inverse, float step, std::int8_t* coarse,
                               std::int8_t* fine);
  // The same in kQueryPlanes bits: values ≈ step · Σ_p 2^p · (1 or −1). Returns the sum of squares of the rounding.
  float (*round_planes)(const float* values, std::size_t size, float step, std::uint64_t* planes);

  // Positions of values of at least `floor`, ascending; returns how many. Room for `count` positions and kWriteRoom.
  std::size_t (*collect)(const float* values, std::size_t count, float floor, std::uint32_t* positions);

  // `values` are `size` numbers that descend: `added` ones are put among them, of which at most `capacity` remain. Returns
  // how many do. Room for capacity + kInsertRoom values. Precondition: size <= capacity.
  std::size_t (*insert_descending)(std::uint64_t* values, std::size_t size, std::size_t capacity,
                                   const std::uint64_t* added, std::size_t count);

  // Sets of numbers as bits, 64 to a word.
  std::size_t (*count_bits)(const std::uint64_t* bits, std::size_t words);
  // Sets in `out` the ordinals whose ids are set in `bits`: word of an id less `word_offset` is its place there. `out` has
  // a word more than the ordinals need.
  void (*pack_bits)(const IdWord* id_words, std::size_t count, const std::uint64_t* bits, std::size_t word_offset,
                    std::uint64_t* out);
  // Places, from 0, of the numbers that are set; returns how many. Room for kWriteRoom more than there are numbers.
  std::size_t (*select_places)(const std::uint64_t* bits, const std::uint32_t* numbers, std::size_t count,
                               std::uint32_t* places);
  // Those of the numbers that are set, in their order; returns how many. Room for kWriteRoom more than there are numbers.
  std::size_t (*select_bits)(const std::uint64_t* bits, const std::uint32_t* numbers, std::size_t count,
                             std::uint32_t* selected);
};

const VectorKernels& portable_vector_kernels();
// Null where this processor lacks the instructions.
const VectorKernels* avx2_vector_kernels();
const VectorKernels* avx512_vector_kernels();
const VectorKernels* avx512_vnni_vector_kernels();  // And VPOPCNTDQ.
const VectorKernels& best_vector_kernels();

}  // namespace ragtime::index
