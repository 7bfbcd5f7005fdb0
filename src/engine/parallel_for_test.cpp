#include "engine/parallel_for.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

async::ThreadPoolConfig two_threads() {
  async::ThreadPoolConfig config;
  config.threads = 2;
  return config;
}

TEST(ParallelFor, CallsEveryIndexOnce) {
  async::ThreadPool pool(two_threads());
  std::vector<std::atomic<int>> calls(1000);
  parallel_for(pool, calls.size(), [&](std::size_t i) { ++calls[i]; });
  for (const auto& count : calls) ASSERT_EQ(count, 1);
  parallel_for(pool, 0, [](std::size_t) { FAIL(); });
}

TEST(ParallelFor, RethrowsAfterAllHaveEnded) {
  async::ThreadPool pool(two_threads());
  std::atomic<int> calls = 0;
  const auto work = [&](std::size_t i) {
    ++calls;
    if (i == 3) throw std::runtime_error("three");
  };
  EXPECT_THROW(parallel_for(pool, 50, work), std::runtime_error);
  EXPECT_EQ(calls, 50);
}

TEST(ParallelFor, WorksFromWithinTheOnlyPoolThread) {
  async::ThreadPoolConfig config;
  config.threads = 1;
  std::atomic<int> calls = 0;
  {
    async::ThreadPool pool(config);
    pool.post([&] { parallel_for(pool, 10, [&](std::size_t) { ++calls; }); });
  }
  EXPECT_EQ(calls, 10);
}

}  // namespace
}  // namespace ragtime::engine
