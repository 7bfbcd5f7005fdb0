#include "llm/retry_budget.h"

#include <vector>

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

TEST(RetryBudget, AFewRetriesAreAlwaysAllowed) {
  RetryBudget budget;
  std::vector<RetryBudget::Permit> kept;
  for (int i = 0; i < 3; ++i) {
    auto permit = budget.retry();
    ASSERT_TRUE(permit);
    kept.push_back(std::move(*permit));
  }
  EXPECT_FALSE(budget.retry());
  kept.pop_back();
  EXPECT_TRUE(budget.retry());
}

TEST(RetryBudget, AFifthOfTheActiveRequestsMayBeRetries) {
  RetryBudget budget;
  std::vector<RetryBudget::Permit> kept;
  for (int i = 0; i < 100; ++i) kept.push_back(budget.request());
  for (int i = 0; i < 20; ++i) {
    auto permit = budget.retry();
    ASSERT_TRUE(permit) << i;
    kept.push_back(std::move(*permit));
  }
  EXPECT_FALSE(budget.retry());
  EXPECT_EQ(budget.active(), 100u);
  EXPECT_EQ(budget.retries(), 20u);
  kept.clear();
  EXPECT_EQ(budget.active(), 0u);
  EXPECT_EQ(budget.retries(), 0u);
}

TEST(RetryBudget, NoneMeansNone) {
  RetryBudget budget({.share = 0, .minimum = 0});
  const auto request = budget.request();
  EXPECT_FALSE(budget.retry());
}

}  // namespace
}  // namespace ragtime::llm
