#include "llm/pace_meter.h"

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

PaceMeter::Time at(int ms) {
  return PaceMeter::Time(milliseconds(ms));
}

TEST(PaceMeter, BurstsAreAveraged) {
  PaceMeter pace;
  pace.run(true, at(0));
  for (int ms = 240; ms <= 12'000; ms += 240) {
    for (int i = 0; i < 64; ++i) pace.count(at(ms));
    if (ms > 2'000) EXPECT_NEAR(pace.gap_ms(at(ms)), 3.75, 0.6);
    if (ms > 2'000) EXPECT_NEAR(pace.gap_ms(at(ms + 230)), 3.75, 0.6);
  }
}

TEST(PaceMeter, TimeWithoutAnybodyWaitingDoesNotPass) {
  PaceMeter pace;
  pace.run(true, at(0));
  for (int ms = 100; ms <= 10'000; ms += 100) pace.count(at(ms));
  const double gap = pace.gap_ms(at(10'000));
  EXPECT_NEAR(gap, 100, 10);
  pace.run(false, at(10'000));
  pace.count(at(20'000));
  EXPECT_EQ(pace.gap_ms(at(3'600'000)), gap);
}

TEST(PaceMeter, LearnsANewPaceInSeconds) {
  PaceMeter pace;
  pace.run(true, at(0));
  for (int ms = 10; ms <= 10'000; ms += 10) pace.count(at(ms));
  for (int ms = 10'100; ms <= 18'000; ms += 100) pace.count(at(ms));
  EXPECT_NEAR(pace.gap_ms(at(18'000)), 80, 20);
}

TEST(PaceMeter, KnowsNothingAtFirst) {
  PaceMeter pace;
  EXPECT_EQ(pace.gap_ms(at(5'000)), 0);
  pace.run(true, at(5'000));
  EXPECT_NEAR(pace.gap_ms(at(5'050)), 50, 1);
}

}  // namespace
}  // namespace ragtime::llm
