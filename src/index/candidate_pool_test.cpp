#include "index/candidate_pool.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

TEST(CandidatePool, KeepsTheBestInOrder) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> scores(-2, 2);
  for (const std::size_t capacity : {1u, 2u, 7u, 100u}) {
    CandidatePool pool;
    pool.reset(capacity);
    std::vector<float> all;
    for (std::uint32_t node = 0; node < 300; ++node) {
      const float score = scores(random);
      pool.insert(score, node);
      all.push_back(score);
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    ASSERT_EQ(pool.size(), capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(pool[i].score, all[i]);
    EXPECT_EQ(pool.floor(), all[capacity - 1]);
  }
}

TEST(CandidatePool, TakesTheBestThatIsNotExpanded) {
  CandidatePool pool;
  pool.reset(3);
  pool.insert(-1.0f, 5);
  pool.insert(0.0f, CandidatePool::kNodesMost - 1);
  const auto take = [&pool] { return pool.has_next() ? pool.take_next() : CandidatePool::kNodesMost; };
  EXPECT_EQ(take(), CandidatePool::kNodesMost - 1);
  pool.insert(2.0f, 9);
  EXPECT_EQ(take(), 9u);
  EXPECT_EQ(take(), 5u);
  EXPECT_FALSE(pool.has_next());
  EXPECT_EQ(pool[0].node, 9u);
  EXPECT_EQ(pool[1].node, CandidatePool::kNodesMost - 1);
  EXPECT_EQ(pool[2].score, -1.0f);
}

TEST(CandidatePool, KeepsNoNumberThatIsNone) {
  CandidatePool pool;
  pool.reset(2);
  pool.insert(std::numeric_limits<float>::quiet_NaN(), 1);
  EXPECT_EQ(pool.size(), 0u);
}

}  // namespace
}  // namespace ragtime::index
