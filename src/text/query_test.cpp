#include "text/query.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "text/analyzer.h"

namespace ragtime::text {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

TEST(Query, PlainTextGivesTerms) {
  const auto query = parse_query("How are HNSW graphs searched?");
  EXPECT_EQ(query.terms, index_terms("How are HNSW graphs searched?"));
  EXPECT_THAT(query.phrases, IsEmpty());
  EXPECT_THAT(query.words, IsEmpty());
  EXPECT_THAT(parse_query("").terms, IsEmpty());
}

TEST(Query, LettersBesideChineseCountThreeTimes) {
  const auto times = [](const SearchTerms& query, const std::string& term) {
    return std::count(query.terms.begin(), query.terms.end(), term);
  };
  const auto query = parse_query("用 GPU 加速 2018 GPU");
  EXPECT_EQ(times(query, "gpu"), 6);
  EXPECT_EQ(times(query, "2018"), 3);
  EXPECT_EQ(times(query, "加速"), 1);
  EXPECT_EQ(times(query, "用"), std::ranges::count(index_terms("用 GPU 加速 2018 GPU"), "用"));
  EXPECT_EQ(times(parse_query("GPU speed"), "gpu"), 1);
}

TEST(Query, QuotesGivePhrases) {
  const auto query = parse_query("who said \"searching graphs\" about ＂ERR-4012＂");
  EXPECT_THAT(query.phrases, ElementsAre(ElementsAre("search", "graph"), ElementsAre("err", "4012")));
  EXPECT_EQ(query.terms, index_terms("who said searching graphs about ERR-4012"));
}

TEST(Query, QuotesThatAreNone) {
  EXPECT_THAT(parse_query("a 24\" monitor").phrases, IsEmpty());
  EXPECT_THAT(parse_query("what is \"\" or \" ?!\"").phrases, IsEmpty());
  EXPECT_THAT(parse_query("什么是“双碳”目标").phrases, IsEmpty());
}

TEST(Query, ChinesePhrasesAreBigrams) {
  EXPECT_THAT(parse_query("\"机器学习\"").phrases, ElementsAre(ElementsAre("机器", "器学", "学习")));
  EXPECT_THAT(parse_query("\"用GPU加速\"").phrases, ElementsAre(ElementsAre("gpu", "加速")));
  EXPECT_THAT(parse_query("\"猫\"").phrases, ElementsAre(ElementsAre("猫")));
}

TEST(Query, UserWordsAreFoundAsWholes) {
  const UserWords words("# products\n盘古大模型\n  盘古 \n\nMate Book X\nGaussDB\n");
  EXPECT_EQ(words.size(), 4u);
  const auto query = parse_query("盤古大模型和mate book x的关系", words);
  EXPECT_THAT(query.words, ElementsAre(ElementsAre("盘古", "古大", "大模", "模型"), ElementsAre("mate", "book", "x")));
  EXPECT_THAT(query.terms, IsSupersetOf({"盘古", "模型", "mate", "盘"}));
  EXPECT_THAT(parse_query("gaussdb", words).words, IsEmpty());  // One term already.
}

TEST(Query, UserWordsDoNotCutWords) {
  const UserWords words("mate book\nok");
  EXPECT_THAT(words.find_in("checkmate book"), IsEmpty());
  EXPECT_THAT(words.find_in("mate books"), IsEmpty());
  EXPECT_THAT(words.find_in("一个mate book吗"), ElementsAre("mate book"));
  EXPECT_THAT(words.find_in("OK, mate book"), ElementsAre("ok", "mate book"));
  EXPECT_THAT(words.find_in("\xFF\xC3 ok"), ElementsAre("ok"));
}

}  // namespace
}  // namespace ragtime::text
