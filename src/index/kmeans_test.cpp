#include "index/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

constexpr std::uint32_t kSeed = 5;

std::vector<float> random_rows(std::size_t count, std::size_t dimensions, std::mt19937& random) {
  std::vector<float> rows(count * dimensions);
  for (float& value : rows) value = std::normal_distribution<float>()(random);
  return rows;
}

double distance2(const float* a, const float* b, std::size_t size) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

double mean_square(const std::vector<float>& rows, std::size_t dimensions, const std::vector<float>& centroids) {
  std::vector<std::uint32_t> numbers(rows.size() / dimensions);
  std::vector<float> distances2(numbers.size());
  CentroidTable(dimensions, centroids).nearest(rows, numbers, distances2);
  return std::accumulate(distances2.begin(), distances2.end(), 0.0) / static_cast<double>(numbers.size());
}

TEST(CentroidTable, FindsTheNearest) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const std::size_t clusters : {1, 31, 32, 33, 100}) {
    for (const std::size_t dimensions : {1, 5, 48}) {
      const auto centroids = random_rows(clusters, dimensions, random);
      const auto rows = random_rows(150, dimensions, random);
      std::vector<std::uint32_t> numbers(150);
      std::vector<float> distances2(150);
      CentroidTable(dimensions, centroids).nearest(rows, numbers, distances2);
      for (std::size_t i = 0; i < 150; ++i) {
        double least = 1e30;
        for (std::size_t c = 0; c < clusters; ++c) {
          least = std::min(least, distance2(&rows[i * dimensions], &centroids[c * dimensions], dimensions));
        }
        ASSERT_LT(numbers[i], clusters);
        EXPECT_NEAR(distance2(&rows[i * dimensions], &centroids[numbers[i] * dimensions], dimensions), least, 1e-4);
        EXPECT_NEAR(distances2[i], least, 1e-3);
      }
    }
  }
}

// Padding of the last panel must not win against what compares with nothing.
TEST(CentroidTable, RowsThatAreNoNumbersGetACentroidThatExists) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> centroids{1, 0, 0, 1, -1, 0};
  const std::vector<float> rows{std::nanf(""), 0, infinity, -infinity, infinity, 0, 1, std::nanf(""), 1e30f, 1e30f};
  std::vector<std::uint32_t> numbers(5, 99);
  CentroidTable(2, centroids).nearest(rows, numbers);
  for (const std::uint32_t number : numbers) EXPECT_LT(number, 3U);
  EXPECT_EQ(kmeans(rows, 2, {3, 5, kSeed}).size(), 6U);
}

TEST(Kmeans, FindsSeparateClusters) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  constexpr std::size_t kClusters = 20;
  constexpr std::size_t kDimensions = 16;
  const auto centers = random_rows(kClusters, kDimensions, random);
  std::vector<float> rows;
  for (std::size_t i = 0; i < 2000; ++i) {
    for (std::size_t d = 0; d < kDimensions; ++d) {
      rows.push_back(centers[i % kClusters * kDimensions + d] + 0.01f * std::normal_distribution<float>()(random));
    }
  }
  const auto more = kmeans(rows, kDimensions, {3 * kClusters, 20, kSeed});
  EXPECT_EQ(more.size(), 3 * kClusters * kDimensions);
  EXPECT_LT(mean_square(rows, kDimensions, more), 0.0017);
}

TEST(Kmeans, ImprovesOnItsStart) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  const auto rows = random_rows(1000, 8, random);
  const double sampled = mean_square(rows, 8, kmeans(rows, 8, {50, 0, kSeed}));
  const double moved = mean_square(rows, 8, kmeans(rows, 8, {50, 20, kSeed}));
  EXPECT_LT(moved, 0.85 * sampled);
}

TEST(Kmeans, EqualSeedsGiveEqualCentroids) {
  std::mt19937 random(kSeed);
  const auto rows = random_rows(500, 6, random);
  EXPECT_EQ(kmeans(rows, 6, {30, 10, 1}), kmeans(rows, 6, {30, 10, 1}));
  EXPECT_NE(kmeans(rows, 6, {30, 10, 1}), kmeans(rows, 6, {30, 10, 2}));
}

// All but one centroid of a start among duplicates are empty at once.
TEST(Kmeans, FillsEmptyClusters) {
  std::vector<float> rows(400 * 2, 1.0f);
  for (std::size_t i = 0; i < 40; ++i) {
    rows[i * 2] = static_cast<float>(i + 2);
    rows[i * 2 + 1] = -static_cast<float>(i);
  }
  const auto centroids = kmeans(rows, 2, {10, 30, kSeed});
  std::vector<std::uint32_t> numbers(400);
  CentroidTable(2, centroids).nearest(rows, numbers);
  EXPECT_GE(std::set<std::uint32_t>(numbers.begin(), numbers.end()).size(), 8U);
}

TEST(Kmeans, DuplicatesAndZerosDoNotHurt) {
  const std::vector<float> zeros(100 * 3);
  const auto centroids = kmeans(zeros, 3, {7, 10, kSeed});
  EXPECT_EQ(centroids, std::vector<float>(7 * 3));
  EXPECT_EQ(mean_square(zeros, 3, centroids), 0);
}

TEST(Kmeans, FewerRowsThanClustersAreTheCentroids) {
  const std::vector<float> rows{1, 2, 3, 4, 5, 6};
  auto centroids = kmeans(rows, 2, {10, 10, kSeed});
  EXPECT_EQ(centroids.size(), rows.size());
  EXPECT_EQ(mean_square(rows, 2, centroids), 0);
}

TEST(SampleRows, AreRowsFromEverywhere) {
  constexpr std::size_t kRows = 1000;
  std::vector<ChunkId> ids(kRows);
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<float> values(kRows * 2);
  for (std::size_t i = 0; i < kRows; ++i) values[i * 2] = values[i * 2 + 1] = static_cast<float>(i);
  const MemoryRows rows(2, ids, values);
  for (const std::size_t count : {1, 9, 100, 999}) {
    const auto sample = sample_rows(rows, count, kSeed);
    ASSERT_EQ(sample.size(), count * 2);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(sample[i * 2], sample[i * 2 + 1]);
  }
  const auto sample = sample_rows(rows, 100, kSeed);
  EXPECT_LT(sample.front(), 100);
  EXPECT_GT(sample.back(), 900);
  EXPECT_EQ(sample_rows(rows, 5000, kSeed), values);
}

}  // namespace
}  // namespace ragtime::index
