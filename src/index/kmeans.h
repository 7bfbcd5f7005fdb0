// k-means: centroids of vectors by Lloyd's iteration, and the nearest centroids of vectors.
//
// Distances are Euclidean. The start is a sample of the rows; a cluster that runs empty takes half of the one with the
// largest sum of squares. Equal rows, seeds and machines give equal centroids. Thread safety: functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/vector_segment.h"

namespace ragtime::index {

// Rows of `dimensions` values as panels, as ProductKernels want them; the last one is padded with zeros.
std::vector<float> make_panels(std::span<const float> rows, std::size_t dimensions);

// Centroids in rows of `dimensions` values, in a form that finds the nearest fast. Thread safety: immutable.
class CentroidTable {
 public:
  CentroidTable() = default;
  CentroidTable(std::size_t dimensions, std::span<const float> centroids);

  std::size_t size() const { return count_; }

  // For each of the rows the number of its nearest centroid, the lowest of equals, and if wanted (not empty) the square
  // of the distance, as precise as floats allow of |x|² − 2·<x, c> + |c|². Rows that are no numbers have number 0.
  // Precondition: there is a centroid.
  void nearest(std::span<const float> rows, std::span<std::uint32_t> numbers, std::span<float> distances2 = {}) const;

 private:
  std::size_t dimensions_ = 0;
  std::size_t count_ = 0;
  std::vector<float> panels_;
  std::vector<float> half_norms_;  // |c|² / 2; of padding larger than of any centroid.
};

struct KmeansOptions {
  std::size_t clusters = 1;
  std::size_t iterations_max = 10;  // Ends earlier when the mean square improves by less than a thousandth.
  std::uint64_t seed = 0;
};

// At most `clusters` centroids, one per row if there are fewer rows. Costs rows · clusters · dimensions per iteration.
std::vector<float> kmeans(std::span<const float> rows, std::size_t dimensions, const KmeansOptions& options);

// `count` rows, or all if there are fewer: short runs, evenly spread, for training.
std::vector<float> sample_rows(const VectorRows& rows, std::size_t count, std::uint64_t seed);

}  // namespace ragtime::index
