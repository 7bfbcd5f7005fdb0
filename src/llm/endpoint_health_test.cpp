#include "llm/endpoint_health.h"

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EndpointHealthTest : public testing::Test {
 protected:
  bool end(Outcome outcome, bool probe = false, bool may_eject = true) {
    return health_.on_outcome(outcome, std::nullopt, probe, may_eject, now_);
  }
  void fail(int times) {
    for (int i = 0; i < times; ++i) end(Outcome::failed);
  }
  // Ejected, waited for, probed.
  void probe(Outcome outcome) {
    EXPECT_TRUE(health_.wants_probe(now_));
    health_.begin_probe();
    EXPECT_FALSE(health_.wants_probe(now_));
    end(outcome, true);
  }
  HealthState state() const { return health_.state(now_); }

  EndpointHealth health_{HealthConfig{}};
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(EndpointHealthTest, FailuresInARowEject) {
  fail(4);
  EXPECT_EQ(state(), HealthState::closed);
  EXPECT_TRUE(end(Outcome::failed));
  EXPECT_EQ(state(), HealthState::ejected);
  EXPECT_EQ(health_.ejections(), 1u);
}

TEST_F(EndpointHealthTest, ASuccessBetweenFailuresStartsTheRowAnew) {
  for (int i = 0; i < 4; ++i) {
    fail(2);
    end(Outcome::completed);
    end(Outcome::completed);
  }
  EXPECT_EQ(state(), HealthState::closed);
}

TEST_F(EndpointHealthTest, LessThanTheShareOfFailuresDoesNotEject) {
  for (int i = 0; i < 200; ++i) end(i % 20 < 9 && i % 2 == 0 ? Outcome::failed : Outcome::completed);
  EXPECT_EQ(state(), HealthState::closed);
}

TEST_F(EndpointHealthTest, AShareOfFailuresEjectsWithoutARow) {
  for (int i = 0; i < 10 && state() == HealthState::closed; ++i) {
    end(Outcome::completed);
    end(Outcome::failed);
  }
  EXPECT_EQ(state(), HealthState::ejected);
}

// Shipped elsewhere: cancellations and 4xx opened the breaker.
TEST_F(EndpointHealthTest, ClientsThatLeaveAndTheirMistakesCountForNothing) {
  fail(4);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(end(Outcome::ignored));
  EXPECT_EQ(state(), HealthState::closed);
  EXPECT_TRUE(end(Outcome::failed));
}

TEST_F(EndpointHealthTest, TheLastOneIsNeverEjected) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(end(Outcome::failed, false, false));
  EXPECT_EQ(state(), HealthState::closed);
  EXPECT_TRUE(end(Outcome::failed));
}

TEST_F(EndpointHealthTest, OneProbeDecidesAfterTheEjection) {
  fail(5);
  now_ += seconds(29);
  EXPECT_EQ(state(), HealthState::ejected);
  EXPECT_EQ(health_.next_change(now_), now_ + seconds(1));
  now_ += seconds(1);
  EXPECT_EQ(state(), HealthState::half_open);
  probe(Outcome::completed);
  EXPECT_EQ(state(), HealthState::closed);
}

TEST_F(EndpointHealthTest, EjectionsDoubleUpToALimit) {
  fail(5);
  for (const int wait : {30, 60, 120, 240, 300, 300}) {
    now_ += seconds(wait) - milliseconds(1);
    EXPECT_EQ(state(), HealthState::ejected) << wait;
    now_ += milliseconds(1);
    probe(Outcome::failed);
  }
}

TEST_F(EndpointHealthTest, GoodTimesAreRemembered) {
  fail(5);
  now_ += seconds(30);
  probe(Outcome::failed);
  now_ += seconds(60);
  probe(Outcome::completed);
  now_ += seconds(60);  // The second doubling is forgotten, the first is not.
  fail(5);
  now_ += seconds(59);
  EXPECT_EQ(state(), HealthState::ejected);
  now_ += seconds(1);
  EXPECT_EQ(state(), HealthState::half_open);
}

TEST_F(EndpointHealthTest, AProbeThatSaysNothingIsRepeated) {
  fail(5);
  now_ += seconds(30);
  probe(Outcome::ignored);
  EXPECT_TRUE(health_.wants_probe(now_));
}

TEST_F(EndpointHealthTest, RequestsFromBeforeDoNotProlongAnEjection) {
  fail(5);
  now_ += seconds(29);
  fail(20);
  now_ += seconds(1);
  EXPECT_EQ(state(), HealthState::half_open);
  end(Outcome::completed);
  EXPECT_EQ(state(), HealthState::half_open) << "only the probe may close it";
}

TEST_F(EndpointHealthTest, TheWeightComesBackGradually) {
  EXPECT_EQ(health_.weight_factor(now_), 1);
  fail(5);
  now_ += seconds(30);
  probe(Outcome::completed);
  EXPECT_DOUBLE_EQ(health_.weight_factor(now_), 0.1);
  now_ += seconds(5);
  EXPECT_DOUBLE_EQ(health_.weight_factor(now_), 0.5);
  now_ += seconds(5);
  EXPECT_EQ(health_.weight_factor(now_), 1);
}

TEST_F(EndpointHealthTest, AnOverloadedEndpointRestsAsLongAsItAskedAndStays) {
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(health_.on_outcome(Outcome::overloaded, seconds(7), false, true, now_));
  EXPECT_EQ(state(), HealthState::closed);
  EXPECT_EQ(health_.rests_until(), now_ + seconds(7));
  health_.on_outcome(Outcome::overloaded, seconds(3600), false, true, now_);
  EXPECT_EQ(health_.rests_until(), now_ + seconds(60)) << "limited";
}

TEST_F(EndpointHealthTest, WithoutATimeTheRestDoublesUntilAnAnswer) {
  for (const int wait : {1, 2, 4}) {
    end(Outcome::overloaded);
    EXPECT_EQ(health_.rests_until(), now_ + seconds(wait));
    now_ += seconds(wait);
  }
  end(Outcome::completed);
  end(Outcome::overloaded);
  EXPECT_EQ(health_.rests_until(), now_ + seconds(1));
}

TEST_F(EndpointHealthTest, TheRefusalsOfOneMomentAreOneRest) {
  for (int i = 0; i < 50; ++i) end(Outcome::overloaded);
  EXPECT_EQ(health_.rests_until(), now_ + seconds(1));
}

TEST_F(EndpointHealthTest, ChecksEjectAndOnlyChecksOpenTheWayBack) {
  EXPECT_FALSE(health_.on_check(false, true, now_));
  EXPECT_FALSE(health_.on_check(false, true, now_));
  EXPECT_TRUE(health_.on_check(false, true, now_));
  now_ += std::chrono::hours(1);
  EXPECT_EQ(state(), HealthState::ejected) << "nothing listens there yet";
  health_.on_check(true, true, now_);
  EXPECT_EQ(state(), HealthState::ejected);
  health_.on_check(true, true, now_);
  EXPECT_EQ(state(), HealthState::half_open);
  probe(Outcome::completed);
  EXPECT_EQ(state(), HealthState::closed);
}

TEST_F(EndpointHealthTest, ChecksNeverEjectTheLastOne) {
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(health_.on_check(false, false, now_));
  EXPECT_EQ(state(), HealthState::closed);
}

}  // namespace
}  // namespace ragtime::llm
