#include "load/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::load {
namespace {

using namespace std::chrono_literals;

TEST(LatencyHistogram, PercentilesAreWithinOnePercentOfSortedSamples) {
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  std::lognormal_distribution<double> milliseconds(1, 2);
  LatencyHistogram histogram;
  std::vector<double> sorted;
  for (int i = 0; i < 50'000; ++i) {
    const auto time = std::chrono::nanoseconds(static_cast<std::int64_t>(milliseconds(random) * 1e6));
    histogram.record(time);
    sorted.push_back(double(time.count()) / 1e6);
  }
  std::sort(sorted.begin(), sorted.end());
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = sorted[std::size_t(std::ceil(share * double(sorted.size()))) - 1];
    EXPECT_NEAR(histogram.percentile_ms(share), exact, exact * 0.01 + 0.0002) << share;
  }
  EXPECT_NEAR(histogram.max_ms(), sorted.back(), 0.0002);
  EXPECT_NEAR(histogram.min_ms(), sorted.front(), 0.0002);
}

TEST(LatencyHistogram, MergesAndSurvivesItsWrittenForm) {
  LatencyHistogram a;
  LatencyHistogram b;
  for (int i = 1; i <= 100; ++i) (i % 2 == 0 ? a : b).record(std::chrono::milliseconds(i));
  a.merge(b);
  EXPECT_EQ(a.count(), 100u);
  EXPECT_NEAR(a.percentile_ms(0.5), 50, 0.5);
  EXPECT_NEAR(a.mean_ms(), 50.5, 0.001);
  const auto again = LatencyHistogram::from_buckets(a.buckets());
  EXPECT_EQ(again.count(), 100u);
  EXPECT_EQ(again.percentile_ms(0.99), a.percentile_ms(0.99));
  EXPECT_NEAR(again.mean_ms(), a.mean_ms(), a.mean_ms() * 0.01);
}

TEST(LatencyHistogram, Extremes) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile_ms(0.5), 0);
  EXPECT_EQ(histogram.mean_ms(), 0);
  histogram.record(-5ms);
  EXPECT_EQ(histogram.max_ms(), 0);
  histogram.record(std::chrono::hours(24 * 365));
  EXPECT_GT(histogram.max_ms(), 3'600'000);
}

}  // namespace
}  // namespace ragtime::load
