// ReachSteps: how many deviations vectors near a query lie above what their cell's centroid says, as measured.
//
// A vector x of a cell with centroid c is found if <c, y> + t · step reaches the worst of the scores wanted, step being
// what the cell's spread amounts to for the query y. The t that this takes depends on how many vectors are better than
// that worst one: under a selection, which has few of them, more than without. Thread safety: immutable.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace ragtime::index {

class ReachSteps {
 public:
  struct Neighbour {
    float score = 0;
    float product = 0;  // Of its centroid and the query.
    float step = 0;
  };

  // Nothing was measured: infinite.
  ReachSteps();
  // Of the best neighbours of some queries, best first, 640 of each or all there are.
  static ReachSteps measure(std::span<const std::vector<Neighbour>> samples);
  // Of values(); nothing if those are another number.
  static std::optional<ReachSteps> restore(std::span<const float> values);

  static constexpr std::size_t kNeighbours = 640;
  // t where the worst wanted is the best but `rank` of all, and a share of `miss` may be missed.
  float of(double rank, double miss) const;
  std::span<const float> values() const { return values_; }  // For saving.

 private:
  static constexpr std::size_t kRanks = 7;  // 10, 20, 40 … 640.
  static constexpr std::size_t kMisses = 8;
  std::array<float, kRanks * kMisses> values_;  // By rank, then by miss.
};

}  // namespace ragtime::index
