#include "engine/fusion.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsEmpty;

constexpr float kTolerance = 1e-6f;

TEST(Fusion, IsTheConvexCombinationOfNormalisedScores) {
  const std::vector<Candidate> candidates = {{1, 0.6f, 5.0f}, {2, 0.2f, 10.0f}, {3, -1.0f, 0.0f}};
  EXPECT_THAT(fuse(candidates, 0.7f),
              ElementsAre(FloatNear(0.7f * 1.0f + 0.3f * 0.5f, kTolerance),
                          FloatNear(0.7f * 1.2f / 1.6f + 0.3f * 1.0f, kTolerance), FloatNear(0.0f, kTolerance)));
}

TEST(Fusion, WeightDecidesBetweenTheArms) {
  const std::vector<Candidate> candidates = {{1, 0.9f, 1.0f}, {2, 0.1f, 9.0f}};
  const auto dense = fuse(candidates, 1.0f);
  EXPECT_GT(dense[0], dense[1]);
  const auto lexical = fuse(candidates, 0.0f);
  EXPECT_LT(lexical[0], lexical[1]);
}

TEST(Fusion, ChunkWithoutVectorIsJudgedByItsTermsAlone) {
  const std::vector<Candidate> candidates = {{1, std::nullopt, 8.0f}, {2, 0.5f, 4.0f}};
  EXPECT_THAT(fuse(candidates, 0.7f), ElementsAre(FloatNear(1.0f, kTolerance), FloatNear(0.85f, kTolerance)));
}

TEST(Fusion, WithoutDenseArmTheBestTermMatchHasScoreOne) {
  const std::vector<Candidate> candidates = {{1, std::nullopt, 2.0f}, {2, std::nullopt, 4.0f}};
  EXPECT_THAT(fuse(candidates, 0.7f), ElementsAre(FloatNear(0.5f, kTolerance), FloatNear(1.0f, kTolerance)));
}

TEST(Fusion, NothingGivesNothing) {
  EXPECT_THAT(fuse({}, 0.7f), IsEmpty());
  EXPECT_THAT(fuse({{1, std::nullopt, 0.0f}}, 0.7f), ElementsAre(0.0f));
}

TEST(Fusion, ScoresStayBetweenZeroAndOne) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> cosine(-1.01f, 1.01f);
  std::uniform_real_distribution<float> bm25(0, 40);
  for (int round = 0; round < 200; ++round) {
    std::vector<Candidate> candidates(1 + random() % 20);
    for (auto& candidate : candidates) {
      if (random() % 4 != 0) candidate.dense = cosine(random);
      if (random() % 4 != 0) candidate.lexical = bm25(random);
    }
    for (const float score : fuse(candidates, static_cast<float>(round) / 199)) {
      EXPECT_GE(score, 0.0f);
      EXPECT_LE(score, 1.0f + kTolerance);
    }
  }
}

TEST(RankFusion, IsTheWeightedSumOfReciprocalRanks) {
  const std::vector<Candidate> candidates = {{1, 0.6f, 5.0f}, {2, 0.2f, 10.0f}, {3, 0.4f, 0.0f}};
  EXPECT_THAT(fuse_ranks(candidates, 0.7f, 60),
              ElementsAre(FloatNear(61 * (0.7f / 61 + 0.3f / 62), kTolerance),
                          FloatNear(61 * (0.7f / 63 + 0.3f / 61), kTolerance), FloatNear(61 * 0.7f / 62, kTolerance)));
}

TEST(RankFusion, EqualScoresShareARank) {
  const std::vector<Candidate> candidates = {
      {1, std::nullopt, 5.0f}, {2, std::nullopt, 5.0f}, {3, std::nullopt, 1.0f}, {4, std::nullopt, 0.0f}};
  EXPECT_THAT(fuse_ranks(candidates, 0.7f, 1),
              ElementsAre(1.0f, 1.0f, FloatNear(2.0f / 4, kTolerance), 0.0f));  // Without vectors: by terms alone.
}

TEST(RankFusion, IgnoresHowFarApartScoresAre) {
  EXPECT_EQ(fuse_ranks({{1, 0.9f, 0.1f}, {2, -0.9f, 0.05f}}, 0.5f, 60),
            fuse_ranks({{1, 0.9f, 99.0f}, {2, 0.8f, 0.1f}}, 0.5f, 60));
}

TEST(Blend, IsTheConvexCombinationWithTheJudgement) {
  EXPECT_THAT(blend({1.0f, 0.8f}, {0.0f, 1.0f}, -1, 0.25f),
              ElementsAre(FloatNear(0.75f * 1.0f + 0.25f * 0.5f, kTolerance),
                          FloatNear(0.75f * 0.8f + 0.25f * 1.0f, kTolerance)));
}

TEST(Blend, WhatIsNotJudgedKeepsItsOrderBehindWhatIs) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> values(0, 1);
  std::vector<float> fused(20);
  for (float& value : fused) value = values(random);
  std::sort(fused.rbegin(), fused.rend());
  std::vector<float> judged(7);
  for (float& value : judged) value = values(random);
  const auto scores = blend(fused, judged, 0, 0.6f);
  EXPECT_LE(scores[7], *std::min_element(scores.begin(), scores.begin() + 7));
  EXPECT_TRUE(std::is_sorted(scores.rbegin(), scores.rend() - 7));
}

TEST(Blend, NothingJudgedChangesNothing) {
  EXPECT_THAT(blend({0.9f, 0.5f}, {}, 0, 0.5f), ElementsAre(0.9f, 0.5f));
}

}  // namespace
}  // namespace ragtime::engine
