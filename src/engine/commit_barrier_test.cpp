#include "engine/commit_barrier.h"

#include <future>
#include <optional>

#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

TEST(CommitBarrier, NothingRunsOutsideMarks) {
  CommitBarrier barrier;
  EXPECT_FALSE(barrier.running());
  {
    const CommitBarrier::Mark mark(barrier);
    EXPECT_TRUE(barrier.running());
  }
  EXPECT_FALSE(barrier.running());
}

TEST(CommitBarrier, WhatRunsIsWaitedFor) {
  CommitBarrier barrier;
  std::optional<CommitBarrier::Mark> mark(barrier);
  bool ended = false;
  auto waiting = std::async(std::launch::async, [&, last = barrier.running().value()] {
    barrier.wait(last);
    return ended;
  });
  ended = true;
  mark.reset();
  EXPECT_TRUE(waiting.get());
}

TEST(CommitBarrier, LaterChangesHoldNobodyUp) {
  CommitBarrier barrier;
  std::optional<CommitBarrier::Mark> before(barrier);
  const auto last = barrier.running().value();
  const CommitBarrier::Mark later(barrier);
  before.reset();
  barrier.wait(last);
  EXPECT_TRUE(barrier.running());
}

}  // namespace
}  // namespace ragtime::engine
