#include "index/calibration.h"

#include <numeric>

#include <gtest/gtest.h>

#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

// Finds the first `effort` of what exact search finds; below an effort of `plateau` only the first five. Questions are to
// be vectors that it is told to do without.
class GradedSegment final : public VectorSegment {
 public:
  GradedSegment(const TestVectors& vectors, std::vector<ChunkId> ids, std::size_t plateau = 0)
      : VectorSegment(vectors.dimensions, std::move(ids)), vectors_(vectors), plateau_(plateau) {}

  VectorKind kind() const override { return VectorKind::ivf; }
  EffortRange effort_range() const override { return {1, 1000}; }
  void search(const SegmentQuery& query, TopK& best) const override {
    largest_effort_ = std::max(largest_effort_, query.effort);
    ASSERT_TRUE(query.absent.has_value());
    EXPECT_FALSE(query.filter->allows(*query.absent));
    EXPECT_TRUE(std::ranges::equal(query.vector, vectors_[*query.absent]));
    const auto hits =
        exact_search(vectors_, query.vector, best.k(), [&](std::size_t i) { return query.filter->allows(i); });
    const std::size_t found = query.effort < plateau_ ? 5 : query.effort;
    for (std::size_t i = 0; i < std::min(hits.size(), found); ++i) best.offer(hits[i]);
  }
  void scores(std::span<const float>, std::span<const std::uint32_t>, std::span<float>) const override {}
  void reconstruct(std::size_t, std::span<float>) const override {}
  std::size_t bytes() const override { return 0; }
  void save(SnapshotWriter&, std::string_view) const override {}

  std::size_t largest_effort() const { return largest_effort_; }

 private:
  const TestVectors& vectors_;
  std::size_t plateau_;
  mutable std::size_t largest_effort_ = 0;
};

TEST(Calibration, MeasuresRecallByEffortAndStopsWhenItIsWhole) {
  const auto vectors = embedding_like(200, 16, 3);
  std::vector<ChunkId> ids(200);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  GradedSegment segment(vectors, ids);
  const auto points = calibrate(segment, MemoryRows(16, ids, vectors.values), 7);
  ASSERT_GE(points.size(), 5u);
  for (const EffortPoint& point : points) {
    const double expected = std::min(1.0, static_cast<double>(point.effort) / 10);
    EXPECT_NEAR(point.recall, expected, 1e-6);
  }
  EXPECT_DOUBLE_EQ(points.back().recall, 1);
  EXPECT_LT(segment.largest_effort(), 20u);

  segment.set_profile({.efforts = points});
  EXPECT_EQ(segment.effort_for(0.45), 6u);
  EXPECT_EQ(segment.effort_for(0.01), 3u);
  EXPECT_EQ(segment.effort_for(1.0), points.back().effort);
}

TEST(Calibration, GoesOnWhereTheLeastEffortsGainNothing) {
  const auto vectors = embedding_like(200, 16, 3);
  std::vector<ChunkId> ids(200);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  const GradedSegment segment(vectors, ids, 40);
  const auto points = calibrate(segment, MemoryRows(16, ids, vectors.values), 7);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_GE(points.back().effort, 40u);
  EXPECT_DOUBLE_EQ(points.back().recall, 1);
}

TEST(Calibration, NothingToMeasureForExactKindsAndTinySegments) {
  const auto vectors = embedding_like(100, 16, 3);
  std::vector<ChunkId> ids(100);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  const MemoryRows rows(16, ids, vectors.values);
  const auto flat = vector_segment_factory(VectorKind::flat)->build(rows, {});
  EXPECT_TRUE(calibrate(*flat, rows, 1).empty());
  const MemoryRows few(16, std::span(ids).first(10), std::span(vectors.values).first(160));
  const auto rabitq = vector_segment_factory(VectorKind::rabitq)->build(few, {});
  EXPECT_TRUE(calibrate(*rabitq, few, 1).empty());
  EXPECT_EQ(rabitq->effort_for(0.9), rabitq->effort_range().most);
}

}  // namespace
}  // namespace ragtime::index
