#include "engine/lexical_overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using Terms = std::vector<std::string>;

TEST(LexicalOverlap, AllTermsInOrderIsOneAndNoneIsZero) {
  const auto scores = lexical_overlap({"brown", "fox"}, {{"a", "brown", "fox"}, {"lazy", "dog"}});
  EXPECT_FLOAT_EQ(scores.at(0), 1.0f);
  EXPECT_FLOAT_EQ(scores.at(1), 0.0f);
}

TEST(LexicalOverlap, RareTermsCountMore) {
  const std::vector<Terms> texts = {{"the", "fox"}, {"the", "capybara"}, {"the", "fox"}, {"the"}};
  const auto scores = lexical_overlap({"fox", "capybara"}, texts);
  EXPECT_GT(scores[1], scores[0]);
  EXPECT_FLOAT_EQ(scores[0], scores[2]);
  // idf of 2 and of 1 in 4; the pair is nowhere.
  const double fox = std::log(1 + 2.5 / 2.5);
  const double capybara = std::log(1 + 3.5 / 1.5);
  EXPECT_NEAR(scores[0], 0.85 * fox / (fox + capybara), 1e-5);
}

TEST(LexicalOverlap, TermsCloseTogetherCountMore) {
  Terms apart = {"new"};
  apart.insert(apart.end(), 20, "word");
  apart.push_back("york");
  const auto scores = lexical_overlap({"new", "york"}, {apart, {"york", "in", "new"}, {"x"}});
  EXPECT_NEAR(scores[0], 0.85, 1e-5);
  EXPECT_NEAR(scores[1], 1.0, 1e-5);
}

TEST(LexicalOverlap, RepeatedQueryTermsCountOnce) {
  const std::vector<Terms> texts = {{"fox"}, {"dog"}};
  EXPECT_EQ(lexical_overlap({"fox", "fox", "dog"}, texts), lexical_overlap({"fox", "dog"}, texts));
}

TEST(LexicalOverlap, NothingToCompare) {
  EXPECT_THAT(lexical_overlap({}, {{"fox"}}), ElementsAre(0.0f));
  EXPECT_TRUE(lexical_overlap({"fox"}, {}).empty());
  EXPECT_THAT(lexical_overlap({"fox"}, {{}}), ElementsAre(0.0f));
}

}  // namespace
}  // namespace ragtime::engine
