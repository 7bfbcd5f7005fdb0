#include "index/vector_cells.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>

#include "index/snapshot.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kCount = 9'000;
constexpr std::size_t kDimensions = 64;
constexpr std::size_t kQueries = 60;
constexpr std::size_t kKnown = 640;

class VectorCellsTest : public testing::Test {
 protected:
  VectorCellsTest() {
    std::iota(ids_.begin(), ids_.end(), ChunkId{0});
    cells_ = VectorCells::build(MemoryRows(kDimensions, ids_, rows()), *frame_, 1);
  }

  std::span<const float> rows() const { return std::span(all_.values).first(kCount * kDimensions); }
  std::span<const float> question(std::size_t i) const { return all_[kCount + i]; }

  // What is near the questions from `first` on, `count` of them.
  std::vector<VectorCells::Neighbours> neighbours(std::size_t first, std::size_t count) const {
    std::vector<VectorCells::Neighbours> found;
    const TestVectors vectors{kDimensions, {rows().begin(), rows().end()}};
    for (std::size_t q = first; q < first + count; ++q) {
      VectorCells::Neighbours one{.query = frame_->prepare(question(q)), .length = 1};
      for (const Hit& hit : exact_search(vectors, question(q), kKnown)) {
        one.ordinals.push_back(static_cast<std::uint32_t>(hit.id));
        one.scores.push_back(hit.score);
      }
      found.push_back(std::move(one));
    }
    return found;
  }

  struct Reached {
    double found = 0;   // Share of the best `rank`.
    double looked = 0;  // Share of all vectors.
  };
  Reached reached(const VectorCells& cells, const VectorCells::Neighbours& sample, std::size_t rank,
                  double miss) const {
    std::vector<float> reaches;
    cells.reach(sample.query, sample.length, cells.steps(static_cast<double>(rank), miss), reaches);
    Reached sum;
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
      if (reaches[cell] < sample.scores[rank - 1]) continue;
      for (const std::uint32_t ordinal : cells.of(cell)) {
        const auto best = std::span(sample.ordinals).first(rank);
        sum.found += std::find(best.begin(), best.end(), ordinal) != best.end() ? 1 : 0;
        sum.looked += 1;
      }
    }
    return {sum.found / static_cast<double>(rank), sum.looked / static_cast<double>(kCount)};
  }
  Reached mean_reached(const VectorCells& cells, std::size_t rank, double miss) const {
    const auto samples = neighbours(kQueries / 2, kQueries / 2);
    Reached sum;
    for (const auto& sample : samples) {
      const Reached one = reached(cells, sample, rank, miss);
      sum.found += one.found / static_cast<double>(samples.size());
      sum.looked += one.looked / static_cast<double>(samples.size());
    }
    return sum;
  }

  TestVectors all_ = embedding_like(kCount + kQueries, kDimensions, 21);
  std::vector<ChunkId> ids_ = std::vector<ChunkId>(kCount);
  std::shared_ptr<const CodeFrame> frame_ =
      CodeFrame::fit(MemoryRows(kDimensions, std::span(ids_).first(1), all_[0]), {.seed = 1});
  VectorCells cells_;
};

TEST_F(VectorCellsTest, EachVectorIsInOneCell) {
  ASSERT_FALSE(cells_.empty());
  std::vector<int> seen(kCount);
  for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
    for (const std::uint32_t ordinal : cells_.of(cell)) ++seen.at(ordinal);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), static_cast<std::ptrdiff_t>(kCount));
}

// A third more vectors, and some whose ids had others before.
TEST_F(VectorCellsTest, CellsAreTakenOverAndReachAsFar) {
  constexpr std::size_t kBefore = 6'000;
  constexpr std::size_t kReplaced = 50;
  std::vector<float> before(rows().begin(), rows().begin() + kBefore * kDimensions);
  for (std::size_t i = 0; i < kReplaced * kDimensions; ++i) before[i] = -before[i];
  const std::span ids(ids_);
  const auto old = VectorCells::build(MemoryRows(kDimensions, ids.first(kBefore), before), *frame_, 1);
  const VectorCells::Previous previous{old, ids.first(kBefore)};
  auto taken = VectorCells::build(MemoryRows(kDimensions, ids_, rows()), *frame_, 2, &previous);
  ASSERT_EQ(taken.size(), old.size());
  std::vector<std::size_t> cell_of(kCount, kCount);
  for (std::size_t cell = 0; cell < taken.size(); ++cell) {
    for (const std::uint32_t ordinal : taken.of(cell)) cell_of[ordinal] = cell;
  }
  EXPECT_EQ(std::count(cell_of.begin(), cell_of.end(), kCount), 0);
  std::size_t kept = 0;
  for (std::size_t cell = 0; cell < old.size(); ++cell) {
    for (const std::uint32_t ordinal : old.of(cell)) kept += ordinal >= kReplaced && cell_of[ordinal] == cell ? 1 : 0;
  }
  EXPECT_GT(kept, (kBefore - kReplaced) * 9 / 10);
  taken.calibrate(neighbours(0, kQueries / 2));
  cells_.calibrate(neighbours(0, kQueries / 2));
  const auto reached_taken = mean_reached(taken, 100, 0.05);
  const auto reached_anew = mean_reached(cells_, 100, 0.05);
  EXPECT_GT(reached_taken.found, 0.9);
  EXPECT_LT(reached_taken.looked, 1.5 * reached_anew.looked);
  // Of far fewer vectors they are not.
  const auto few = VectorCells::build(MemoryRows(kDimensions, ids.first(2'500), std::span(before).first(2'500 * kDimensions)), *frame_, 1);
  const VectorCells::Previous too_few{few, ids.first(2'500)};
  EXPECT_GT(VectorCells::build(MemoryRows(kDimensions, ids_, rows()), *frame_, 2, &too_few).size(), few.size());
}

TEST_F(VectorCellsTest, FewVectorsHaveNone) {
  const auto few = MemoryRows(kDimensions, std::span(ids_).first(500), rows().first(500 * kDimensions));
  EXPECT_TRUE(VectorCells::build(few, *frame_, 1).empty());
}

TEST_F(VectorCellsTest, BeforeCalibrationNothingIsMissed) {
  for (const std::size_t rank : {10u, 640u}) EXPECT_NEAR(mean_reached(cells_, rank, 0.05).found, 1, 1e-9) << rank;
}

TEST_F(VectorCellsTest, ReachWhatIsNearAndLittleElse) {
  cells_.calibrate(neighbours(0, kQueries / 2));
  for (const std::size_t rank : {10u, 100u, 640u}) {
    const Reached most = mean_reached(cells_, rank, 0.05);
    EXPECT_GE(most.found, 0.9) << rank;
    EXPECT_LE(most.looked, 0.5) << rank;
    const Reached all = mean_reached(cells_, rank, 0.002);
    EXPECT_GE(all.found, most.found) << rank;
    EXPECT_GT(all.looked, most.looked) << rank;
  }
  EXPECT_LE(mean_reached(cells_, 10, 0.05).looked, 0.2);
}

TEST_F(VectorCellsTest, StepsLieBetweenThoseMeasured) {
  cells_.calibrate(neighbours(0, kQueries / 2));
  EXPECT_NE(cells_.steps(10, 0.05), cells_.steps(20, 0.05));
  EXPECT_NEAR(cells_.steps(10 * std::sqrt(2.0), 0.05), (cells_.steps(10, 0.05) + cells_.steps(20, 0.05)) / 2, 1e-4);
  EXPECT_EQ(cells_.steps(1, 0.05), cells_.steps(10, 0.05));
  EXPECT_EQ(cells_.steps(1e9, 0.05), cells_.steps(640, 0.05));
  // As many are missed as may be, or fewer.
  EXPECT_GT(cells_.steps(100, 0.0499), cells_.steps(100, 0.05));
  EXPECT_EQ(cells_.steps(100, 0), cells_.steps(100, 0.002));
}

TEST_F(VectorCellsTest, AreTheSameAfterLoading) {
  cells_.calibrate(neighbours(0, 10));
  const auto file = std::filesystem::path(testing::TempDir()) / "vector_cells_test.snapshot";
  auto writer = SnapshotWriter::create(file).value();
  cells_.save(*writer, "p.");
  ASSERT_TRUE(writer->finish());
  const auto reader = SnapshotReader::open(file).value();
  const auto loaded = VectorCells::load(*reader, "p.", kCount, frame_->half());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  const auto samples = neighbours(0, 1);
  const auto& sample = samples[0];
  const Reached before = reached(cells_, sample, 40, 0.05);
  const Reached after = reached(*loaded, sample, 40, 0.05);
  EXPECT_EQ(after.found, before.found);
  EXPECT_EQ(after.looked, before.looked);
  EXPECT_EQ(VectorCells::load(*reader, "p.", kCount - 1, frame_->half()).error().code, ErrorCode::corrupt);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace ragtime::index
