#include "engine/fusion_tuning.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// One relevant document (7), which the dense arm has first and the lexical one last.
TuningQuery contested() {
  TuningQuery query;
  query.candidates = {{1, 0.2f, 9}, {2, 0.4f, 5}, {3, 0.9f, 1}};
  query.documents = {5, 6, 7};
  query.grades = {{7, 1}};
  return query;
}

std::vector<std::vector<double>> repeated(const std::vector<double>& scores, std::size_t count) {
  return std::vector<std::vector<double>>(count, scores);
}

TEST(FusionTuning, PresentSettingComesFirstThenBothFusions) {
  const auto settings = fusion_settings({Fusion::rrf, 0.33f});
  EXPECT_EQ(settings.at(0).fusion, Fusion::rrf);
  EXPECT_EQ(settings.at(0).dense_weight, 0.33f);
  EXPECT_EQ(settings.at(1).dense_weight, 0.0f);
  EXPECT_EQ(settings.at(21).dense_weight, 1.0f);
  EXPECT_EQ(settings.at(21).fusion, Fusion::convex);
  EXPECT_EQ(settings.at(42).fusion, Fusion::rrf);
  EXPECT_EQ(settings.size(), 43u);
}

TEST(FusionTuning, AQueryIsScoredUnderEverySetting) {
  const std::vector<FusionSetting> settings{
      {Fusion::convex, 0}, {Fusion::convex, 1}, {Fusion::rrf, 0}, {Fusion::rrf, 1}};
  EXPECT_THAT(score_settings(contested(), settings, 60, 10), ElementsAre(0.5, 1, 0.5, 1));
}

TEST(FusionTuning, WeightFollowsTheCoverageOfTheQuery) {
  auto query = contested();
  query.coverage = 0;
  EXPECT_THAT(score_settings(query, {{Fusion::convex, 1}, {Fusion::rrf, 1}}, 60, 10), ElementsAre(0.5, 0.5));
}

TEST(FusionTuning, ADocumentCountsOnceByItsBestPassage) {
  auto query = contested();
  query.documents = {5, 5, 7};  // The second passage takes no rank from the third.
  EXPECT_THAT(score_settings(query, {{Fusion::convex, 0}}, 60, 10), ElementsAre(DoubleNear(1 / std::log2(3.0), 1e-12)));
}

TEST(FusionTuning, ABetterSettingIsChosenInEveryFoldAndIsSignificant) {
  const auto result = cross_validate({repeated({0.5, 0.4, 0.6}, 50)}, {});
  ASSERT_EQ(result.folds.size(), 5u);
  for (const auto& fold : result.folds) {
    EXPECT_EQ(fold.chosen, 2u);
    EXPECT_EQ(fold.queries, 10u);
    EXPECT_NEAR(fold.gain, 0.1, 1e-12);
  }
  EXPECT_EQ(result.best, 2u);
  EXPECT_NEAR(result.gain.mean, 0.1, 1e-12);
  EXPECT_TRUE(result.significant());
}

TEST(FusionTuning, PresentSettingStaysWhenOthersAreAsGood) {
  const auto result = cross_validate({repeated({0.5, 0.5, 0.5}, 20)}, {});
  EXPECT_EQ(result.best, 0u);
  EXPECT_EQ(result.gain.mean, 0);
  EXPECT_FALSE(result.significant());
}

// The best of forty settings by chance alone looks better on the questions that chose it; not on those held out.
TEST(FusionTuning, ChanceIsNoGain) {
  constexpr std::uint64_t kSeed = 4;
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> score(0, 1);
  std::vector<std::vector<double>> queries(100, std::vector<double>(40));
  for (auto& query : queries) {
    for (double& each : query) each = score(random);
  }
  const auto result = cross_validate({queries}, {});
  EXPECT_GT(result.best_mean, result.present_mean + 0.02);
  EXPECT_FALSE(result.significant()) << "seed " << kSeed << ", gain " << result.gain.mean;
}

TEST(FusionTuning, SetsCountTheSameWhateverTheirSize) {
  const auto result = cross_validate({repeated({0.5, 0.6}, 1000), repeated({0.5, 0.2}, 10)}, {});
  EXPECT_EQ(result.best, 0u);
  EXPECT_NEAR(result.present_mean, 0.5, 1e-12);
}

TEST(FusionTuning, WithoutQueriesNothingIsProposed) {
  const auto result = cross_validate({{}}, {});
  EXPECT_EQ(result.best, 0u);
  EXPECT_FALSE(result.significant());
}

}  // namespace
}  // namespace ragtime::engine
