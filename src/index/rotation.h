// Rotation: a random rotation that costs O(n log n), for codes that need coordinates alike in distribution.
//
// Rounds of random signs and of fast Hadamard transforms (Ailon & Chazelle 2009). The vector is padded with zeros to a
// multiple of 64; where that is no power of two, each round transforms the first and then the last 2^m coordinates,
// 2^m being the largest power that fits, so that every coordinate mixes with every other within two rounds.
// Thread safety: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ragtime::index {

class Rotation {
 public:
  // The same seed gives the same rotation. Precondition: dimensions > 0.
  Rotation(std::size_t dimensions, std::uint64_t seed);

  std::size_t dimensions() const { return dimensions_; }
  std::size_t padded_dimensions() const { return padded_; }

  // In place: a vector, padded with zeros to padded_dimensions() values. Keeps lengths and inner products.
  void apply(std::span<float> values) const;
  // The inverse; the first dimensions() values are the vector.
  void revert(std::span<float> values) const;

 private:
  std::size_t dimensions_;
  std::size_t padded_;
  std::size_t block_;         // 2^m.
  std::vector<float> signs_;  // One round behind the other.
};

}  // namespace ragtime::index
