#include "llm/balance.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

constexpr std::uint64_t kSeed = 20261127;

std::vector<Candidate> equal_candidates(std::size_t count) {
  std::vector<Candidate> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i].identity = stable_hash("http://replica-" + std::to_string(i));
  return out;
}

std::vector<std::size_t> shares(Balance balance, const std::vector<Candidate>& candidates, std::size_t draws) {
  Random random(kSeed);
  std::vector<std::size_t> out(candidates.size());
  for (std::size_t i = 0; i < draws; ++i) ++out[choose(balance, candidates, {}, random)];
  return out;
}

// Shipped elsewhere: equal loads always went to the first endpoint of the list.
TEST(Balance, TiesAreSharedOutAndNotLeftToTheFirst) {
  SCOPED_TRACE(kSeed);
  for (const Balance balance : {Balance::least_load, Balance::power_of_two, Balance::round_robin, Balance::prefix}) {
    for (const std::size_t share : shares(balance, equal_candidates(4), 4'000)) {
      EXPECT_GT(share, 850u) << static_cast<int>(balance);
      EXPECT_LT(share, 1'150u) << static_cast<int>(balance);
    }
  }
}

TEST(Balance, LeastLoadIsNeverBeaten) {
  Random random(kSeed);
  SCOPED_TRACE(kSeed);
  std::uniform_real_distribution<double> load(0, 100);
  std::uniform_real_distribution<double> weight(0.1, 5);
  for (int round = 0; round < 500; ++round) {
    auto candidates = equal_candidates(1 + round % 9);
    for (auto& c : candidates) c.load = load(random), c.weight = weight(random);
    const auto& chosen = candidates[choose(Balance::least_load, candidates, {2, 0}, random)];
    for (const auto& c : candidates) EXPECT_LE((chosen.load + 2) / chosen.weight, (c.load + 2) / c.weight);
  }
}

TEST(Balance, WeightsDecideHowManyRequestsAreInFlight) {
  Random random(kSeed);
  auto candidates = equal_candidates(2);
  candidates[1].weight = 3;
  for (int i = 0; i < 400; ++i) candidates[choose(Balance::least_load, candidates, {}, random)].load += 1;
  EXPECT_NEAR(candidates[1].load, 300, 2);
}

TEST(Balance, PowerOfTwoNeverTakesTheWorstAndFollowsTheLoad) {
  auto candidates = equal_candidates(5);
  for (std::size_t i = 0; i < 5; ++i) candidates[i].load = static_cast<double>(i);
  const auto taken = shares(Balance::power_of_two, candidates, 5'000);
  EXPECT_EQ(taken[4], 0u);
  EXPECT_TRUE(std::is_sorted(taken.rbegin(), taken.rend()));
  EXPECT_NEAR(static_cast<double>(taken[0]), 2'000, 150);  // In 4 of the 10 pairs.
}

TEST(Balance, RoundRobinTurnsByWeight) {
  Random random(kSeed);
  auto candidates = equal_candidates(3);
  candidates[2].weight = 2;
  std::vector<std::size_t> taken(3);
  for (int i = 0; i < 40; ++i) {
    const std::size_t chosen = choose(Balance::round_robin, candidates, {}, random);
    ++taken[chosen];
    candidates[chosen].turns += 1 / candidates[chosen].weight;
  }
  EXPECT_EQ(taken, (std::vector<std::size_t>{10, 10, 20}));
}

std::size_t by_prefix(const std::vector<Candidate>& candidates, int prefix) {
  Random random(kSeed);
  return choose(Balance::prefix, candidates, {1, stable_hash("prefix " + std::to_string(prefix))}, random);
}

TEST(Balance, APrefixStaysWhereItIsAndOnlyTheShareOfAGoneEndpointMoves) {
  const auto candidates = equal_candidates(5);
  const std::vector<Candidate> fewer(candidates.begin(), candidates.end() - 1);
  std::map<std::size_t, int> used;
  for (int prefix = 0; prefix < 1'000; ++prefix) {
    const std::size_t home = by_prefix(candidates, prefix);
    ++used[home];
    if (home != 4) {
      EXPECT_EQ(by_prefix(fewer, prefix), home);
    }
  }
  for (const auto& [place, count] : used) EXPECT_NEAR(count, 200, 60) << place;
}

// Shipped elsewhere: affinity (or the smallest cache) won over load, until one server drowned.
TEST(Balance, AnOverloadedEndpointLosesItsPrefixes) {
  auto candidates = equal_candidates(4);
  const std::size_t home = by_prefix(candidates, 1);
  for (auto& c : candidates) c.load = 20;
  EXPECT_EQ(by_prefix(candidates, 1), home);
  candidates[home].load = 60;
  EXPECT_NE(by_prefix(candidates, 1), home);
}

TEST(Balance, AFewRequestsWithOnePrefixStayTogether) {
  auto candidates = equal_candidates(4);
  const std::size_t home = by_prefix(candidates, 7);
  for (int i = 0; i < static_cast<int>(kAffinityLoadMin); ++i) {
    EXPECT_EQ(by_prefix(candidates, 7), home) << i;
    candidates[home].load += 1;
  }
  EXPECT_NE(by_prefix(candidates, 7), home);
}

TEST(Balance, PrefixLoadsStayBounded) {
  Random random(kSeed);
  SCOPED_TRACE(kSeed);
  auto candidates = equal_candidates(4);
  for (int i = 0; i < 1'000; ++i) {
    // One prefix for nine requests of ten.
    const std::uint64_t prefix = stable_hash(random() % 10 != 0 ? "hot" : std::to_string(random()));
    candidates[choose(Balance::prefix, candidates, {1, prefix}, random)].load += 1;
  }
  for (const auto& c : candidates) EXPECT_LE(c.load, kAffinityOverload * 1'000 / 4 + 1);
}

TEST(StableHash, IsTheSameEverywhereAndZeroOnlyForNothing) {
  EXPECT_EQ(stable_hash(""), 0u);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 10'000; ++i) seen.insert(stable_hash(std::to_string(i)));
  EXPECT_EQ(seen.size(), 10'000u);
  EXPECT_EQ(seen.count(0), 0u);
}

}  // namespace
}  // namespace ragtime::llm
