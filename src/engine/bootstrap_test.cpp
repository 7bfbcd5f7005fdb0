#include "engine/bootstrap.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

std::vector<double> normal_values(std::size_t count, double mean, double deviation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> value(mean, deviation);
  std::vector<double> out(count);
  for (double& each : out) each = value(random);
  return out;
}

TEST(Bootstrap, IntervalIsThatOfTheNormalDistribution) {
  const auto values = normal_values(2000, 0.4, 0.2, 7);
  const auto interval = bootstrap_mean(values, {.resamples = 2000});
  const double half = 1.96 * 0.2 / std::sqrt(2000.0);
  EXPECT_NEAR(interval.mean - interval.low, half, half * 0.15);
  EXPECT_NEAR(interval.high - interval.mean, half, half * 0.15);
}

TEST(Bootstrap, IntervalHoldsTheTrueMeanAboutAsOftenAsItSays) {
  int held = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto interval = bootstrap_mean(normal_values(100, 0.3, 0.1, seed), {.resamples = 200, .seed = seed});
    held += interval.low <= 0.3 && 0.3 <= interval.high;
  }
  EXPECT_GE(held, 180);
  EXPECT_LE(held, 199);
}

TEST(Bootstrap, TheSeedDecides) {
  const auto values = normal_values(50, 0.5, 0.3, 3);
  const auto first = bootstrap_mean(values, {.seed = 5});
  const auto again = bootstrap_mean(values, {.seed = 5});
  const auto other = bootstrap_mean(values, {.seed = 6});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, other.low);
}

TEST(Bootstrap, GroupsCountTheSameWhateverTheirSize) {
  const std::vector<std::vector<double>> groups{std::vector<double>(1000, 0.2), {0.6}, {}};
  const auto interval = bootstrap_mean(groups, {});
  EXPECT_NEAR(interval.mean, 0.4, 1e-12);
  EXPECT_NEAR(interval.low, 0.4, 1e-12);
  EXPECT_NEAR(interval.high, 0.4, 1e-12);
}

TEST(Bootstrap, NothingHasAMeanOfZero) {
  EXPECT_EQ(bootstrap_mean(std::vector<double>{}, {}).high, 0);
}

TEST(Bootstrap, AWiderConfidenceIsAWiderInterval) {
  const auto values = normal_values(100, 0.5, 0.3, 11);
  const auto narrow = bootstrap_mean(values, {.confidence = 0.5});
  const auto wide = bootstrap_mean(values, {.confidence = 0.99});
  EXPECT_LT(wide.low, narrow.low);
  EXPECT_GT(wide.high, narrow.high);
}

}  // namespace
}  // namespace ragtime::engine
