#include "api/file_search.h"

#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

engine::SearchRequest read(const std::string& body) {
  const auto document = JsonDocument::parse(body);
  EXPECT_TRUE(document.has_value()) << body;
  engine::SearchRequest search = read_search(document->root());
  EXPECT_TRUE(document->status().has_value()) << body;
  return search;
}

TEST(FileSearch, RankerNoneLeavesOutTheSecondStage) {
  EXPECT_TRUE(read(R"({"query":"x"})").rerank);
  EXPECT_TRUE(read(R"({"query":"x","ranking_options":{"ranker":"auto"}})").rerank);
  EXPECT_TRUE(read(R"({"query":"x","ranking_options":{"score_threshold":0.5}})").rerank);
  EXPECT_FALSE(read(R"({"query":"x","ranking_options":{"ranker":"none"}})").rerank);
}

TEST(FileSearch, WeightsAreShares) {
  const auto search =
      read(R"({"query":"x","ranking_options":{"hybrid_search":{"embedding_weight":3,"text_weight":1}}})");
  EXPECT_FLOAT_EQ(search.dense_weight.value(), 0.75f);
  EXPECT_FALSE(read(R"({"query":"x"})").dense_weight.has_value());
}

}  // namespace
}  // namespace ragtime::api
