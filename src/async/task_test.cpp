#include "async/task.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "async/semaphore.h"
#include "async/task_group.h"
#include "async/wait.h"
#include "async/when_all.h"

namespace ragtime::async {
namespace {

using std::chrono::milliseconds;

struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};

Task<> yield() {
  auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

Task<NoDefault> no_default(int value) {
  co_await yield();
  co_return NoDefault(value);
}

Task<> append(std::vector<int>& out, int value, int turns) {
  for (int i = 0; i < turns; ++i) co_await yield();
  out.push_back(value);
}

Task<> fail(int turns) {
  for (int i = 0; i < turns; ++i) co_await yield();
  throw std::runtime_error("member failed");
}

Task<Result<int>> number(int value, bool good) {
  co_await yield();
  if (!good) co_return make_error(ErrorCode::unavailable, "arm is down");
  co_return value;
}

Task<std::string> word(std::string text) {
  co_await yield();
  co_return text;
}

TEST(SyncWait, ReturnsTheValueAndRethrows) {
  EXPECT_EQ(sync_wait(no_default(4)).value, 4);
  EXPECT_THROW(sync_wait(fail(1)), std::runtime_error);
}

Task<std::vector<int>> join_three() {
  std::vector<int> order;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(append(order, 1, 3));
  group.spawn(append(order, 2, 1));
  EXPECT_EQ(group.size(), 2u);
  co_await group.join();
  EXPECT_EQ(group.size(), 0u);
  group.spawn(append(order, 3, 0));
  co_await group.join();
  co_return order;
}

TEST(TaskGroup, JoinsAllAndMayBeUsedAgain) {
  EXPECT_EQ(sync_wait(join_three()), (std::vector<int>{2, 1, 3}));
}

Task<bool> join_empty() {
  TaskGroup group(co_await asio::this_coro::executor);
  co_await group.join();
  co_return true;
}

TEST(TaskGroup, AnEmptyGroupJoinsAtOnce) {
  EXPECT_TRUE(sync_wait(join_empty()));
}

Task<std::vector<int>> join_with_failure() {
  std::vector<int> order;
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(fail(0));
  group.spawn(append(order, 1, 5));
  bool thrown = false;
  try {
    co_await group.join();
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  EXPECT_TRUE(thrown);
  co_await group.join();  // The failure was reported once.
  co_return order;
}

TEST(TaskGroup, RethrowsAfterTheOthersHaveEnded) {
  EXPECT_EQ(sync_wait(join_with_failure()), std::vector<int>{1});
}

TEST(TaskGroupDeathTest, MustBeJoined) {
  EXPECT_DEATH(
      {
        asio::io_context loop;
        TaskGroup group(loop.get_executor());
        group.spawn(yield());
      },
      "running_ == 0");
}

TEST(WhenAll, KeepsTheOrderOfTheTasks) {
  std::vector<Task<NoDefault>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(no_default(i));
  const auto results = sync_wait(when_all(std::move(tasks)));
  ASSERT_EQ(results.size(), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(results[i].value, i);
}

TEST(WhenAll, TwoOfDifferentTypesWithAnErrorAsValue) {
  const auto [first, second] = sync_wait(when_all(number(1, false), word("two")));
  ASSERT_TRUE(first.has_error());
  EXPECT_EQ(first.error().code, ErrorCode::unavailable);
  EXPECT_EQ(second, "two");
}

TEST(WhenAll, RunsSideBySide) {
  std::vector<int> order;
  std::vector<Task<>> tasks;
  tasks.push_back(append(order, 1, 4));
  tasks.push_back(append(order, 2, 2));
  tasks.push_back(append(order, 3, 0));
  sync_wait(when_all(std::move(tasks)));
  EXPECT_EQ(order, (std::vector<int>{3, 2, 1}));
}

TEST(WhenAll, RethrowsAfterAllHaveEnded) {
  std::vector<int> order;
  std::vector<Task<>> tasks;
  tasks.push_back(fail(0));
  tasks.push_back(append(order, 1, 3));
  EXPECT_THROW(sync_wait(when_all(std::move(tasks))), std::runtime_error);
  EXPECT_EQ(order, std::vector<int>{1});
}

TEST(WhenAll, NothingIsAnEmptyVector) {
  EXPECT_TRUE(sync_wait(when_all(std::vector<Task<NoDefault>>())).empty());
}

TEST(SleepFor, PassesTheTime) {
  RequestContext context("r", "t", Deadline::never());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(sync_wait(sleep_for(milliseconds(5), context)).has_value());
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(5));
}

TEST(SleepFor, EndsAtTheDeadline) {
  RequestContext context("r", "t", Deadline::after(milliseconds(5)));
  EXPECT_EQ(sync_wait(sleep_for(std::chrono::hours(1), context)).error().code, ErrorCode::deadline_exceeded);
}

TEST(SleepFor, EndsWhenCancelledBeforeOrFromAnotherThread) {
  RequestContext before("r", "t", Deadline::never());
  before.cancel();
  EXPECT_EQ(sync_wait(sleep_for(std::chrono::hours(1), before)).error().code, ErrorCode::cancelled);
  for (int round = 0; round < 200; ++round) {
    RequestContext context("r", "t", Deadline::never());
    std::thread other([&context] { context.cancel(); });
    EXPECT_EQ(sync_wait(sleep_for(std::chrono::hours(1), context)).error().code, ErrorCode::cancelled);
    other.join();
  }
}

Task<int> aborts_of_watch(RequestContext& context, bool cancel_while_alive) {
  const auto executor = co_await asio::this_coro::executor;
  int aborts = 0;
  {
    Watch watch(executor, context, Deadline::never(), [&aborts] { ++aborts; });
    if (cancel_while_alive) {
      context.cancel();
      co_await yield();
      EXPECT_EQ(watch.status().error().code, ErrorCode::cancelled);
    } else {
      EXPECT_TRUE(watch.status().has_value());
    }
  }
  context.cancel();
  co_await yield();
  co_return aborts;
}

TEST(Watch, AbortsOnceWhileItLivesAndNeverAfterwards) {
  RequestContext first("r", "t", Deadline::never());
  EXPECT_EQ(sync_wait(aborts_of_watch(first, true)), 1);
  RequestContext second("r", "t", Deadline::never());
  EXPECT_EQ(sync_wait(aborts_of_watch(second, false)), 0);
}

Task<Result<void>> wait_for_thread(RequestContext& context) {
  Event event(co_await asio::this_coro::executor);
  std::thread other([&event] { event.set(); });
  auto outcome = co_await event.wait(context);
  other.join();
  auto again = co_await event.wait(context);
  EXPECT_TRUE(again.has_value());
  co_return outcome;
}

TEST(Event, IsSetFromAnotherThread) {
  for (int round = 0; round < 200; ++round) {
    RequestContext context("r", "t", Deadline::never());
    EXPECT_TRUE(sync_wait(wait_for_thread(context)).has_value());
  }
}

Task<> hold(Semaphore& semaphore, RequestContext& context, int& inside, int& peak) {
  auto permit = co_await semaphore.acquire(context);
  EXPECT_TRUE(permit.has_value());
  peak = std::max(peak, ++inside);
  for (int i = 0; i < 3; ++i) co_await yield();
  --inside;
}

TEST(Semaphore, NeverMoreHoldersThanPermits) {
  Semaphore semaphore(2, 100);
  RequestContext context("r", "t", Deadline::never());
  int inside = 0;
  int peak = 0;
  std::vector<Task<>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(hold(semaphore, context, inside, peak));
  sync_wait(when_all(std::move(tasks)));
  EXPECT_EQ(peak, 2);
  EXPECT_EQ(semaphore.available(), 2u);
}

Task<ErrorCode> acquire_error(Semaphore& semaphore, RequestContext& context) {
  auto permit = co_await semaphore.acquire(context);
  co_return permit.has_error() ? permit.error().code : ErrorCode::internal;
}

Task<ErrorCode> third_waiter(Semaphore& semaphore, RequestContext& first, RequestContext& second) {
  RequestContext never("r", "t", Deadline::never());
  TaskGroup group(co_await asio::this_coro::executor);
  auto held = co_await semaphore.acquire(never);
  std::vector<Task<ErrorCode>> tasks;
  tasks.push_back(acquire_error(semaphore, first));
  tasks.push_back(acquire_error(semaphore, second));
  ErrorCode third = ErrorCode::internal;
  std::vector<ErrorCode> codes;
  auto run_waiters = [](std::vector<Task<ErrorCode>> all, std::vector<ErrorCode>& out) -> Task<> {
    out = co_await when_all(std::move(all));
  };
  group.spawn(run_waiters(std::move(tasks), codes));
  while (semaphore.waiting() < 2) co_await yield();
  third = co_await acquire_error(semaphore, never);
  second.cancel();
  co_await group.join();
  EXPECT_EQ(codes[0], ErrorCode::deadline_exceeded);
  EXPECT_EQ(codes[1], ErrorCode::cancelled);
  EXPECT_EQ(semaphore.waiting(), 0u);
  co_return third;
}

TEST(Semaphore, WaitersAreBoundedAndHonourTheirContexts) {
  Semaphore semaphore(1, 2);
  RequestContext late("r", "t", Deadline::after(milliseconds(5)));
  RequestContext gone("r", "t", Deadline::never());
  EXPECT_EQ(sync_wait(third_waiter(semaphore, late, gone)), ErrorCode::resource_exhausted);
  EXPECT_EQ(semaphore.available(), 1u);
}

Task<> contend(Semaphore& semaphore, std::atomic<int>& inside, std::atomic<bool>& overlap) {
  for (int i = 0; i < 200; ++i) {
    RequestContext context("r", "t", Deadline::after(milliseconds(i % 3 == 0 ? 1 : 10'000)));
    auto permit = co_await semaphore.acquire(context);
    if (permit.has_error()) continue;
    if (inside.fetch_add(1) != 0) overlap = true;
    co_await yield();
    inside.fetch_sub(1);
  }
}

TEST(Semaphore, IsSharedBetweenLoopsOfSeveralThreads) {
  Semaphore semaphore(1, 10);
  std::atomic<int> inside = 0;
  std::atomic<bool> overlap = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { sync_wait(contend(semaphore, inside, overlap)); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(overlap);
  EXPECT_EQ(semaphore.available(), 1u);
}

}  // namespace
}  // namespace ragtime::async
