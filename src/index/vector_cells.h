// VectorCells: the vectors of a segment in cells around centroids, for searches among some of them.
//
// A walk through a graph passes ever more vectors that are not selected the fewer are; cells are gone through instead,
// with nothing but a bit looked at for each of those. A vector x lies in the cell of the nearest centroid c, and since
// <x, y> = <c, y> + <x − c, y>, cells are taken by falling reach, <c, y> + t · |y| · s / √d, until that does not come up
// to the worst of those found; s is the cell's spread, √(Σ|r|⁴ / Σ|r|²) of its residuals r. How large t must be so that no
// more than a given share is missed was measured: the fewer are selected, the less. Memory: 4 bytes for each vector and P / 2
// + 20 for each cell at P padded dimensions; there are 2 · √n. Centroids have 4-bit codes of the segment's frame.
// Thread safety: const members may be called from any threads together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/aligned_column.h"
#include "index/reach_steps.h"
#include "index/vector_codes.h"

namespace ragtime::index {

class VectorCells {
 public:
  // The best vectors for a query, best first, and their scores.
  struct Neighbours {
    QueryCode query;
    float length = 0;
    std::vector<std::uint32_t> ordinals{};
    std::vector<float> scores{};
  };

  VectorCells() = default;  // None.
  // Cells that were built with the same frame, mostly over the same vectors, and the ids of theirs.
  struct Previous {
    const VectorCells& cells;
    std::span<const ChunkId> ids;
  };
  // None if there are so few vectors that looking at each costs little. Centroids, and the cells of vectors that are
  // still as near to them, are taken over where there are about as many cells as there should be.
  static VectorCells build(const VectorRows& rows, const CodeFrame& frame, std::uint64_t seed,
                           const Previous* previous = nullptr);
  // How far to go, from what is near some queries. Until then searches go through all cells.
  void calibrate(std::span<const Neighbours> samples);

  bool empty() const { return factors_.empty(); }
  std::size_t size() const { return factors_.size(); }
  std::span<const std::uint32_t> of(std::size_t cell) const {
    return {ordinals_.data() + begins_[cell], begins_[cell + 1] - begins_[cell]};
  }

  // t where the worst of those to be found is the best but `rank` of all, and a share of `miss` may be missed.
  float steps(double rank, double miss) const { return steps_.of(rank, miss); }
  // Of all cells.
  void reach(const QueryCode& query, float length, float steps, std::vector<float>& reaches) const;

  std::size_t bytes() const;
  void save(SnapshotWriter& writer, std::string_view prefix) const;
  // Errors: corrupt.
  static Result<VectorCells> load(const SnapshotReader& reader, std::string_view prefix, std::size_t vectors,
                                  std::size_t half);

 private:
  // Of a centroid's 4-bit code, as CodeTerms, and what its cell reaches for each unit of t · |y| and at most.
  struct Factors {
    float add = 0;
    float scale = 0;
    float step = 0;
    float radius = 0;
  };
  std::vector<float> decode_centroids(const CodeFrame& frame) const;
  void encode_centroids(std::span<const float> centroids, const CodeFrame& frame);
  std::vector<std::uint32_t> cells_of_ordinals() const;
  void place(std::span<const std::uint32_t> numbers);
  void measure(std::span<const std::uint32_t> numbers, std::span<const float> distances2, std::size_t dimensions);
  void centroid_products(const QueryCode& query, std::span<float> out) const;

  std::size_t half_ = 0;
  AlignedColumn<std::uint8_t> high_;  // Centroids.
  std::vector<Factors> factors_;
  std::vector<std::uint32_t> begins_;  // One more than there are cells.
  AlignedColumn<std::uint32_t> ordinals_;
  ReachSteps steps_;
};

}  // namespace ragtime::index
