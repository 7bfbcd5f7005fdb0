// BitScreen: which of many vectors may have an inner product with a query of at least so much, by 1-bit codes.
//
// Codes are RaBitQ's (vector_codes.h) around the origin: the signs of the rotated vector r. In a first step those of
// P' of the P coordinates are compared with two bits of the query's; in a second, of the few that may reach the floor,
// all signs with four bits. With S = Σ|r_i| over the P' (or P) coordinates and Q what the query q was rounded to,
//   <x, y> ≈ |r|² / S · <signs, Q>, with a variance of (|r|² / S)² · (|q|² · (P' − S² / |r|²) / (P − 1) + |Q − q|²);
// Q is scaled so that rounding does not shorten it: <Q, q> = |q|². An upper bound is the estimate plus some deviations,
// so that of vectors right at the floor one in a hundred is missed, and hardly any of those above it.
// Thread safety: immutable. Codes may be written at positions that no reader asks for yet, those of other groups of
// kGroup.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/aligned_column.h"
#include "index/rotation.h"
#include "index/vector_kernels.h"

namespace ragtime::index {

class BitScreen {
 public:
  static constexpr std::size_t kGroup = 16;         // Rows that are looked at together.
  static constexpr std::size_t kHeadWordsMost = 3;  // Of 64 coordinates: P' = 192, where there are so many.
  static constexpr std::size_t kHeadPlanes = 2;

  struct Codes {
    AlignedColumn<std::uint64_t> heads;  // Word w of vector v of eight at [w * 8 + v].
    AlignedColumn<float> head_scales;    // |r|² / S
    AlignedColumn<std::uint8_t> wholes;  // As VectorKernels::bit_bounds says, on cache lines.
    std::size_t bytes() const { return heads.bytes() + head_scales.bytes() + wholes.bytes(); }
  };
  // (P' − S² / |r|²) / (P − 1), of first coordinates and of all; of many vectors the most.
  struct Spread {
    float head = 0;
    float whole = 0;
    void widen(const Spread& other);
  };
  struct Query {
    std::vector<std::uint64_t> head_planes;
    std::vector<std::uint64_t> planes;
    BoundTerms head{};
    BoundTerms whole{};
  };

  // Precondition: at least 128 dimensions; codes of fewer say little.
  BitScreen(std::size_t dimensions, std::uint64_t seed);

  // `rows` is a multiple of kGroup.
  Codes make_codes(std::size_t rows) const;
  Spread encode(std::span<const float> vector, Codes& codes, std::size_t at) const;

  // For vectors of this spread at most.
  Query prepare(std::span<const float> query, const Spread& spread) const;
  // The first step: positions of those among the first `rows`, a multiple of kGroup, that may reach the floor; returns
  // how many. Room for `rows` and kWriteRoom.
  std::size_t screen(const Codes& codes, std::size_t rows, const Query& query, float floor,
                     std::uint32_t* positions) const;
  // The second: upper bounds of vectors given by whole(). Precondition: there are some.
  const std::uint8_t* whole(const Codes& codes, std::size_t at) const {
    return codes.wholes.data() + at * whole_bytes_;
  }
  void bound(std::span<const std::uint8_t* const> wholes, const Query& query, float* bounds) const;

 private:
  Rotation rotation_;
  std::size_t words_;
  std::size_t head_words_;
  std::size_t whole_bytes_;  // Of one vector.
};

// Positions of those among the rows whose
//   scale · (offset + slack + factor · Σ_p 2^p · popcount(code xor plane p))
// reaches the floor; returns how many.
struct BitScreenTask {
  const std::uint64_t* heads;
  const float* scales;
  std::size_t rows;
  const std::uint64_t* planes;  // Plane p at planes + p * words.
  std::size_t words;            // 2 or 3.
  BoundTerms terms;             // base is not looked at.
  float floor;
};
using BitScreenKernel = std::size_t (*)(const BitScreenTask& task, std::uint32_t* positions);
// All that run on this processor, the fastest first.
std::span<const BitScreenKernel> bit_screen_kernels();

}  // namespace ragtime::index
