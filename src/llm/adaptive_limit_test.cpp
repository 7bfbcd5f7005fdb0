#include "llm/adaptive_limit.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

LimitConfig config(std::size_t initial) {
  LimitConfig out;
  out.initial = initial;
  out.minimum = 4;
  out.maximum = 1'000;
  return out;
}

// With so many in flight, as far as the limit lets them.
void tokens(AdaptiveLimit& limit, int count, int ms, std::size_t in_flight) {
  for (int i = 0; i < count; ++i) limit.on_first_token(milliseconds(ms), std::min(in_flight, limit.value()));
}

TEST(AdaptiveLimit, GrowsOnlyAsFarAsItIsUsed) {
  AdaptiveLimit limit(config(20));
  tokens(limit, 1'000, 100, 5);
  EXPECT_EQ(limit.value(), 20u);
  tokens(limit, 1'000, 100, 20);
  EXPECT_GT(limit.value(), 30u);
  EXPECT_LE(limit.value(), 41u) << "in flight 20 uses half of 40";
}

TEST(AdaptiveLimit, ShrinksWhenFirstTokensComeMuchLater) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 200, 100, 90);
  const std::size_t before = limit.value();
  tokens(limit, 30, 1'000, 90);
  EXPECT_LT(limit.value(), before / 2);
  EXPECT_GE(limit.value(), 4u);
}

TEST(AdaptiveLimit, AQueueThatLastsDoesNotBecomeTheUsual) {
  AdaptiveLimit limit(config(1'000));
  tokens(limit, 500, 60, 90);
  tokens(limit, 3'000, 1'000, 90);
  EXPECT_LT(limit.value(), 30u);
}

TEST(AdaptiveLimit, ACutIsGivenTimeToShow) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 200, 100, 90);
  for (int i = 0; i < 1'000 && limit.value() >= 90; ++i) limit.on_first_token(milliseconds(5'000), 90);
  const std::size_t below = limit.value();
  EXPECT_LT(below, 90u);
  for (int i = 0; i < 100; ++i) limit.on_first_token(milliseconds(5'000), 90);
  EXPECT_EQ(limit.value(), below) << "90 are still in flight";
}

TEST(AdaptiveLimit, AServerThatIsSlowerForGoodBecomesTheUsual) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 500, 100, 90);
  tokens(limit, 20'000, 400, 30);
  EXPECT_GT(limit.value(), 30u);
}

TEST(AdaptiveLimit, TimesThatAreShortAnywayAreNoSign) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 200, 1, 40);
  tokens(limit, 200, 40, 40);
  EXPECT_EQ(limit.value(), 100u);
}

TEST(AdaptiveLimit, OneSlowPromptIsNoSign) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 200, 100, 90);
  const std::size_t before = limit.value();
  tokens(limit, 1, 900, 90);
  EXPECT_GE(limit.value(), before * 9 / 10);
}

TEST(AdaptiveLimit, RecoversWhenTheQueueHasGone) {
  AdaptiveLimit limit(config(100));
  tokens(limit, 200, 100, 90);
  tokens(limit, 40, 2'000, 90);
  const std::size_t low = limit.value();
  for (int i = 0; i < 500; ++i) limit.on_first_token(milliseconds(100), limit.value());
  EXPECT_GT(limit.value(), 2 * low);
}

TEST(AdaptiveLimit, AnOverloadCutsToWhatWasInFlight) {
  AdaptiveLimit limit(config(100));
  limit.on_overload(40);
  EXPECT_EQ(limit.value(), 36u);
  for (int i = 0; i < 100; ++i) limit.on_overload(36);
  EXPECT_EQ(limit.value(), 32u) << "what is in flight is the measure, not the number of refusals";
  limit.on_overload(1);
  EXPECT_EQ(limit.value(), 4u);
}

TEST(AdaptiveLimit, StaysFixedWhenToldSo) {
  LimitConfig fixed = config(2);
  fixed.adaptive = false;
  AdaptiveLimit limit(fixed);
  tokens(limit, 100, 100, 2);
  limit.on_overload(2);
  EXPECT_EQ(limit.value(), 2u);
}

}  // namespace
}  // namespace ragtime::llm
