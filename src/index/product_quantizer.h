// ProductQuantizer: vectors as 4-bit codes of their parts (Jégou, Douze & Schmid 2011).
//
// A vector is cut into parts of kPartSize values, the last filled up with zeros; each part has kCodewords codewords of
// its own, found by k-means. The inner product of a query with a code is a sum of table entries, one for each part.
// Thread safety: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/snapshot.h"

namespace ragtime::index {

// <query, what a code stands for> = offset + step · Σ table[m * kCodewords + code m], within `error`, a standard
// deviation.
struct ProductTable {
  std::vector<std::uint8_t> entries;
  float offset = 0;
  float step = 0;
  float error = 0;
};

class ProductQuantizer {
 public:
  static constexpr std::size_t kPartSize = 4;

  // Precondition: there is a row.
  static std::shared_ptr<const ProductQuantizer> train(std::span<const float> rows, std::size_t dimensions,
                                                       std::uint64_t seed);

  std::size_t dimensions() const { return dimensions_; }
  std::size_t pairs() const { return (dimensions_ + 2 * kPartSize - 1) / (2 * kPartSize); }
  std::size_t parts() const { return 2 * pairs(); }  // Even, so that codes fill bytes; an odd one is all zeros.

  std::size_t bytes() const { return codebooks_.capacity() * sizeof(float); }

  // parts() codes below kCodewords.
  void encode(std::span<const float> vector, std::span<std::uint8_t> codes) const;
  void decode(std::span<const std::uint8_t> codes, std::span<float> vector) const;
  ProductTable table(std::span<const float> query) const;

  void save(SnapshotWriter& writer, std::string_view prefix) const;
  // Errors: corrupt.
  static Result<std::shared_ptr<const ProductQuantizer>> load(const SnapshotReader& reader, std::string_view prefix,
                                                              std::size_t dimensions);

 private:
  explicit ProductQuantizer(std::size_t dimensions);
  std::span<float> codebook(std::size_t part);
  std::span<const float> codebook(std::size_t part) const;

  std::size_t dimensions_;
  std::vector<float> codebooks_;  // By part: value i of codeword c at [i * kCodewords + c].
};

}  // namespace ragtime::index
