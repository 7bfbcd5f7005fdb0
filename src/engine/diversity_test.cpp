#include "engine/diversity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;

class DiversityTest : public ::testing::Test {
 protected:
  void add(const std::string& file, const std::string& text, float score = 0) {
    SearchHit hit;
    hit.store_id = "vs_1";
    hit.file_id = file;
    hit.chunk.text = text;
    hit.score = score;
    hits_.push_back(std::move(hit));
    profiles_.emplace_back(text);
  }
  std::vector<std::size_t> kept() const { return without_duplicates(hits_, profiles_); }
  std::vector<std::size_t> picked(std::size_t count, float lambda) const {
    std::vector<std::size_t> all(hits_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    return pick_marginal(hits_, profiles_, all, count, lambda);
  }

  std::vector<SearchHit> hits_;
  std::vector<TextProfile> profiles_;
};

const std::string kLong =
    "The committee met on a rainy morning and discussed at length how the harbour should be rebuilt after the storm, "
    "who would pay for the cranes, and whether the old lighthouse could be kept as a museum for the visitors who "
    "come every summer to see the ships and the fish market near the pier.";

TEST_F(DiversityTest, SameTextIsShownOnceWhicheverDocumentItIsIn) {
  add("file-1", "brown fox");
  add("file-2", "brown \n fox ");
  add("file-3", "Brown foxes");
  EXPECT_THAT(kept(), ElementsAre(0, 2));
}

TEST_F(DiversityTest, SymbolsMakeADifference) {
  add("file-1", "a < b");
  add("file-2", "a > b");
  EXPECT_THAT(kept(), ElementsAre(0, 1));
}

TEST_F(DiversityTest, SimilarTextHidesAFurtherHitOfADocumentButNeverItsOnlyOne) {
  add("file-1", kLong);
  add("file-1", kLong + " Indeed.");
  add("file-2", kLong + " Truly.");
  add("file-2", kLong + " Surely.");
  add("file-2", "Something else.");
  EXPECT_GE(profiles_[0].resemblance(profiles_[1]), kNearDuplicate);
  EXPECT_THAT(kept(), ElementsAre(0, 2, 4));
}

TEST_F(DiversityTest, AnotherNumberIsAnotherText) {
  add("file-1", kLong + " It costs 4000 crowns.");
  add("file-1", kLong + " It costs 5000 crowns.");
  EXPECT_EQ(profiles_[0].resemblance(profiles_[1]), 0);
  EXPECT_THAT(kept(), ElementsAre(0, 1));
}

TEST_F(DiversityTest, ResemblanceIsTheShareOfCommonRuns) {
  // Runs: abc bcd cde; bcd cde def. Two in both, four in either.
  const TextProfile a("alpha bravo charlie delta echo");
  const TextProfile b("bravo charlie delta echo foxtrot");
  EXPECT_DOUBLE_EQ(a.resemblance(b), 0.5);
  EXPECT_DOUBLE_EQ(a.resemblance(a), 1);
  EXPECT_DOUBLE_EQ(TextProfile("").resemblance(a), 0);
}

TEST_F(DiversityTest, MarginalRelevancePrefersWhatIsNew) {
  add("file-1", "apple pie with cinnamon", 1.0f);
  add("file-2", "apple pie with cinnamon sugar", 0.98f);
  add("file-3", "harbour and lighthouse", 0.6f);
  EXPECT_THAT(picked(3, 1), ElementsAre(0, 1, 2));
  EXPECT_THAT(picked(3, 0.5f), ElementsAre(0, 2, 1));
  EXPECT_THAT(picked(2, 0.5f), ElementsAre(0, 2));
  EXPECT_THAT(picked(9, 0.99f), ElementsAre(0, 1, 2));
}

TEST_F(DiversityTest, MarginalRelevanceOfNothingAndOfTextsWithoutWords) {
  EXPECT_TRUE(picked(3, 0.5f).empty());
  add("file-1", "--", 1.0f);
  add("file-2", "++", 0.5f);
  EXPECT_THAT(picked(3, 0.5f), ElementsAre(0, 1));
}

}  // namespace
}  // namespace ragtime::engine
