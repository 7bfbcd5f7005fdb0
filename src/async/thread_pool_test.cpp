#include "async/thread_pool.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "async/task.h"
#include "async/when_all.h"
#include "base/processors.h"

namespace ragtime::async {
namespace {

ThreadPoolConfig small(std::size_t threads, std::size_t queue_max) {
  ThreadPoolConfig config;
  config.threads = threads;
  config.queue_max = queue_max;
  return config;
}

// Occupies one worker until released.
class Blocker {
 public:
  explicit Blocker(ThreadPool& pool) {
    EXPECT_TRUE(pool.post([gates = gates_] {
      gates->started.release();
      gates->open.acquire();
    }));
    gates_->started.acquire();
  }
  ~Blocker() { release(); }
  void release() { gates_->open.release(); }

 private:
  struct Gates {
    std::counting_semaphore<> started{0};
    std::counting_semaphore<> open{0};
  };
  std::shared_ptr<Gates> gates_ = std::make_shared<Gates>();
};

Task<Result<int>> run_number(ThreadPool& pool, RequestContext& context, std::atomic<int>& runs) {
  auto result = co_await pool.run(context, [&runs]() -> Result<int> { return ++runs; });
  co_return result;
}

Task<std::thread::id> thread_after_run(ThreadPool& pool, RequestContext& context, std::thread::id& inside) {
  auto result = co_await pool.run(context, [&inside]() -> Result<void> {
    inside = std::this_thread::get_id();
    return {};
  });
  EXPECT_TRUE(result.has_value());
  co_return std::this_thread::get_id();
}

TEST(ThreadPool, RunsOnItsThreadsAndResumesOnTheCallers) {
  ThreadPool pool(small(1, 4));
  RequestContext context("r", "t", Deadline::never());
  std::thread::id inside;
  EXPECT_EQ(sync_wait(thread_after_run(pool, context, inside)), std::this_thread::get_id());
  EXPECT_NE(inside, std::this_thread::get_id());
  EXPECT_NE(inside, std::thread::id());
}

TEST(ThreadPool, ReturnsErrorsAndRethrowsExceptions) {
  ThreadPool pool(small(1, 4));
  RequestContext context("r", "t", Deadline::never());
  const auto error =
      sync_wait(pool.run(context, []() -> Result<int> { return make_error(ErrorCode::corrupt, "damaged"); }));
  EXPECT_EQ(error.error().code, ErrorCode::corrupt);
  EXPECT_THROW(sync_wait(pool.run(context, []() -> Result<int> { throw std::logic_error("defect"); })),
               std::logic_error);
  std::atomic<int> runs = 0;
  EXPECT_EQ(*sync_wait(run_number(pool, context, runs)), 1);  // The worker survived.
}

TEST(ThreadPool, RefusesWorkOverTheQueueLimit) {
  ThreadPool pool(small(1, 2));
  Blocker blocker(pool);
  RequestContext context("r", "t", Deadline::never());
  std::atomic<int> runs = 0;
  EXPECT_TRUE(pool.post([&runs] { ++runs; }));
  EXPECT_TRUE(pool.post([&runs] { ++runs; }));
  EXPECT_EQ(pool.queued(), 2u);
  EXPECT_FALSE(pool.post([&runs] { ++runs; }));
  const auto refused = sync_wait(run_number(pool, context, runs));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(runs, 0);
}

TEST(ThreadPool, DoesNotStartCancelledOrLateWork) {
  ThreadPool pool(small(1, 4));
  std::atomic<int> runs = 0;
  RequestContext cancelled("r", "t", Deadline::never());
  cancelled.cancel();
  EXPECT_EQ(sync_wait(run_number(pool, cancelled, runs)).error().code, ErrorCode::cancelled);
  RequestContext late("r", "t", Deadline::after(std::chrono::milliseconds(0)));
  EXPECT_EQ(sync_wait(run_number(pool, late, runs)).error().code, ErrorCode::deadline_exceeded);
  EXPECT_EQ(runs, 0);
}

TEST(ThreadPool, ChecksTheContextWhenTheTurnOfTheJobComes) {
  ThreadPool pool(small(1, 4));
  Blocker blocker(pool);
  std::atomic<int> runs = 0;
  RequestContext context("r", "t", Deadline::never());
  std::thread other([&] {
    while (pool.queued() == 0) std::this_thread::yield();
    context.cancel();
    blocker.release();
  });
  EXPECT_EQ(sync_wait(run_number(pool, context, runs)).error().code, ErrorCode::cancelled);
  EXPECT_EQ(runs, 0);
  other.join();
}

TEST(ThreadPool, TheDestructorFinishesQueuedWork) {
  std::atomic<int> runs = 0;
  {
    ThreadPool pool(small(2, 1000));
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(pool.post([&runs] { ++runs; }));
  }
  EXPECT_EQ(runs, 500);
}

TEST(ThreadPool, ServesManyCallersOnManyLoops) {
  ThreadPool pool(small(3, 10'000));
  std::atomic<int> runs = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      RequestContext context("r", "t", Deadline::never());
      for (int round = 0; round < 20; ++round) {
        std::vector<Task<Result<int>>> tasks;
        for (int job = 0; job < 10; ++job) tasks.push_back(run_number(pool, context, runs));
        for (const auto& result : sync_wait(when_all(std::move(tasks)))) EXPECT_TRUE(result.has_value());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(runs, 800);
}

TEST(ThreadPool, ZeroThreadsMeansOnePerProcessor) {
  ThreadPool pool(small(0, 1));
  EXPECT_EQ(pool.threads(), available_processors());
}

}  // namespace
}  // namespace ragtime::async
