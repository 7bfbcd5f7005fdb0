#include "engine/ranking_measures.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

constexpr double kClose = 1e-12;

TEST(RankingMeasures, OfGradedDocumentsAsComputedByHand) {
  // Ranks 1..6 have grades 3, 2, 3, 0, 1, 2; a document of grade 3 and one of grade 2 are not found.
  const Grades grades{{1, 3}, {2, 2}, {3, 3}, {4, 0}, {5, 1}, {6, 2}, {7, 3}, {8, 2}};
  const auto measures = measure_ranking({1, 2, 3, 4, 5, 6}, grades, 6);
  const double gained = 3 + 2 / std::log2(3.0) + 3.0 / 2 + 0 + 1 / std::log2(6.0) + 2 / std::log2(7.0);
  EXPECT_NEAR(gained, 6.861126688593502, kClose);
  const double best = 3 + 3 / std::log2(3.0) + 3.0 / 2 + 2 / std::log2(5.0) + 2 / std::log2(6.0) + 2 / std::log2(7.0);
  EXPECT_NEAR(best, 8.740, 0.001);
  EXPECT_NEAR(measures.ndcg, gained / best, kClose);
  EXPECT_NEAR(measures.ndcg, 0.785, 0.001);
  EXPECT_NEAR(measures.recall, 5.0 / 7, kClose);
  EXPECT_NEAR(measures.recall_whole, 5.0 / 7, kClose);
  EXPECT_NEAR(measures.reciprocal_rank, 1, kClose);
  EXPECT_NEAR(measures.average_precision, (1 + 1 + 1 + 4.0 / 5 + 5.0 / 6) / 7, kClose);
}

TEST(RankingMeasures, LookNoFurtherThanKExceptOverTheWhole) {
  const Grades grades{{7, 1}, {9, 1}};
  const auto measures = measure_ranking({1, 2, 7, 3, 9}, grades, 2);
  EXPECT_EQ(measures.ndcg, 0);
  EXPECT_EQ(measures.recall, 0);
  EXPECT_EQ(measures.reciprocal_rank, 0);
  EXPECT_NEAR(measures.average_precision, (1.0 / 3 + 2.0 / 5) / 2, kClose);
  EXPECT_EQ(measures.recall_whole, 1);
}

TEST(RankingMeasures, CutTheBestPossibleRankingAtKToo) {
  const Grades grades{{1, 1}, {2, 1}, {3, 1}};
  EXPECT_NEAR(ndcg({1, 2}, grades, 2), 1, kClose);
  EXPECT_NEAR(ndcg({9, 1}, grades, 2), (1 / std::log2(3.0)) / (1 + 1 / std::log2(3.0)), kClose);
}

TEST(RankingMeasures, ADocumentThatIsJudgedNotRelevantGainsNothing) {
  const Grades grades{{1, 0}, {2, -1}, {3, 1}};
  const auto measures = measure_ranking({1, 2, 3}, grades, 10);
  EXPECT_NEAR(measures.ndcg, 0.5, kClose);
  EXPECT_NEAR(measures.reciprocal_rank, 1.0 / 3, kClose);
  EXPECT_EQ(count_relevant(grades), 1u);
}

TEST(RankingMeasures, AreZeroWhenNothingIsFoundOrRelevant) {
  EXPECT_EQ(measure_ranking({}, {{1, 1}}, 10).ndcg, 0);
  EXPECT_EQ(measure_ranking({}, {{1, 1}}, 10).average_precision, 0);
  EXPECT_EQ(measure_ranking({1}, {{1, 0}}, 10).ndcg, 0);
  EXPECT_EQ(measure_ranking({1}, {}, 10).recall_whole, 0);
}

}  // namespace
}  // namespace ragtime::engine
