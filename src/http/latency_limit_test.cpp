#include "http/latency_limit.h"

#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

using std::chrono::milliseconds;

LatencyLimit after(int samples, milliseconds latency) {
  LatencyLimit limit(milliseconds(100), milliseconds(5'000));
  for (int i = 0; i < samples; ++i) limit.observe(latency);
  return limit;
}

TEST(LatencyLimit, IsTheMaximumUntilEnoughWasSeen) {
  EXPECT_EQ(after(0, milliseconds(1)).limit(), milliseconds(5'000));
  EXPECT_EQ(after(15, milliseconds(1)).limit(), milliseconds(5'000));
  EXPECT_EQ(after(16, milliseconds(1)).limit(), milliseconds(100));
}

TEST(LatencyLimit, FollowsWhatItSees) {
  const auto steady = after(200, milliseconds(400));
  EXPECT_GE(steady.limit(), milliseconds(800));
  EXPECT_LE(steady.limit(), milliseconds(900));
  auto slower = steady;
  for (int i = 0; i < 50; ++i) slower.observe(milliseconds(1'500));
  EXPECT_GE(slower.limit(), milliseconds(3'000));
  EXPECT_EQ(after(100, milliseconds(60'000)).limit(), milliseconds(5'000));
}

TEST(LatencyLimit, VaryingLatenciesGetMoreRoom) {
  LatencyLimit limit(milliseconds(100), milliseconds(5'000));
  for (int i = 0; i < 100; ++i) limit.observe(milliseconds(i % 2 == 0 ? 100 : 500));
  EXPECT_GE(limit.limit(), milliseconds(1'800));
}

TEST(LatencyLimit, DoublesWhenMissedUntilTheNextSuccess) {
  auto limit = after(200, milliseconds(400));
  const auto before = limit.limit();
  limit.missed();
  EXPECT_EQ(limit.limit(), 2 * before);
  for (int i = 0; i < 20; ++i) limit.missed();
  EXPECT_EQ(limit.limit(), milliseconds(5'000));
  limit.observe(milliseconds(400));
  EXPECT_LE(limit.limit(), before);
}

TEST(LatencyLimit, StaysWhenItMayNotLearn) {
  LatencyLimit limit(milliseconds(0), milliseconds(700));
  for (int i = 0; i < 50; ++i) limit.observe(milliseconds(1));
  EXPECT_EQ(limit.limit(), milliseconds(700));
}

}  // namespace
}  // namespace ragtime::http
