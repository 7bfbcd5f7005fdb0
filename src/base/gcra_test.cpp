#include "base/gcra.h"

#include <algorithm>
#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace ragtime {
namespace {

using namespace std::chrono_literals;
const Gcra::Time kStart{std::chrono::hours(1000)};

TEST(Gcra, AMinutesAmountMayComeAtOnceAndThenEvenly) {
  Gcra bucket(60);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(bucket.take(1, kStart).allowed) << i;
  const Gcra::Decision refused = bucket.take(1, kStart);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 1s);
  EXPECT_FALSE(bucket.take(1, kStart + 999ms).allowed);
  EXPECT_TRUE(bucket.take(1, kStart + 1s).allowed);
  EXPECT_FALSE(bucket.take(1, kStart + 1s).allowed);
}

TEST(Gcra, TellsWhatRemains) {
  Gcra bucket(60);
  EXPECT_EQ(bucket.state(kStart).remaining, 60);
  bucket.take(45, kStart);
  EXPECT_EQ(bucket.state(kStart).remaining, 15);
  EXPECT_EQ(bucket.state(kStart).reset_after, 45s);
  EXPECT_EQ(bucket.state(kStart + 10s).remaining, 25);
  EXPECT_TRUE(bucket.full(kStart + 45s));
}

TEST(Gcra, MoreThanABucketWaitsForAFullOneAndLeavesADebt) {
  Gcra bucket(100);
  EXPECT_TRUE(bucket.take(1, kStart).allowed);
  EXPECT_FALSE(bucket.take(300, kStart).allowed);
  EXPECT_TRUE(bucket.take(300, kStart + 1s).allowed);
  EXPECT_EQ(bucket.state(kStart + 1s).remaining, 0);
  EXPECT_EQ(bucket.take(1, kStart + 1s).retry_after, 2min + 600ms);
}

TEST(Gcra, EstimatesAreCorrected) {
  Gcra bucket(1000);
  bucket.take(600, kStart);
  bucket.correct(-500, kStart);
  EXPECT_EQ(bucket.state(kStart).remaining, 900);
  bucket.correct(2000, kStart);
  EXPECT_EQ(bucket.state(kStart).remaining, 0);
  EXPECT_FALSE(bucket.check(1, kStart + 1min).allowed);
  bucket.correct(-100'000, kStart);
  EXPECT_TRUE(bucket.full(kStart)) << "what was never taken cannot be saved up";
  EXPECT_EQ(bucket.state(kStart).remaining, 1000);
}

TEST(Gcra, HugeAmountsStayWithinBounds) {
  Gcra bucket(1);
  bucket.correct(INT64_MAX, kStart);
  EXPECT_FALSE(bucket.take(1, kStart + 1h).allowed);
  EXPECT_TRUE(bucket.take(1, kStart + 25h).allowed);
}

// Over every window, no more is let through than a bucket and what flows in meanwhile; and whoever waits as long as it
// was told gets what it asked for.
void try_random_arrivals(std::uint32_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::int64_t limit = std::uniform_int_distribution<std::int64_t>(1, 5000)(random);
  Gcra bucket(limit);
  std::deque<std::pair<Gcra::Time, std::int64_t>> taken;
  Gcra::Time now = kStart;
  for (int i = 0; i < 400; ++i) {
    now += std::chrono::milliseconds(std::uniform_int_distribution<int>(0, 3000)(random));
    const std::int64_t amount = std::uniform_int_distribution<std::int64_t>(1, std::max<std::int64_t>(1, limit / 3))(random);
    const Gcra::Decision decision = bucket.take(amount, now);
    if (decision.allowed) {
      taken.emplace_back(now, amount);
    } else {
      ASSERT_TRUE(bucket.check(amount, now + decision.retry_after).allowed);
      ASSERT_FALSE(bucket.check(amount, now + decision.retry_after - 1ms).allowed);
    }
    std::int64_t sum = 0;
    for (auto each = taken.rbegin(); each != taken.rend(); ++each) {
      sum += each->second;
      const double minutes = std::chrono::duration<double>(now - each->first).count() / 60;
      ASSERT_LE(static_cast<double>(sum), static_cast<double>(limit) * (1 + minutes) + 1);
    }
  }
}

TEST(Gcra, NoWindowLetsMoreThroughThanItsShare) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) try_random_arrivals(seed);
  try_random_arrivals(std::random_device()());
}

}  // namespace
}  // namespace ragtime
