#include "engine/store_index.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

DocumentInfo document(const std::string& id, Attributes attributes = {}) {
  DocumentInfo info;
  info.file_id = id;
  info.filename = id + ".txt";
  info.attributes = std::move(attributes);
  return info;
}

IndexedChunk chunk(index::ChunkId id, std::vector<std::string> terms, std::vector<float> embedding = {}) {
  IndexedChunk result;
  result.id = id;
  result.body = std::move(terms);
  result.embedding = std::move(embedding);
  return result;
}

std::vector<index::ChunkId> ids_of(const std::vector<index::Hit>& hits) {
  std::vector<index::ChunkId> ids;
  for (const auto& hit : hits) ids.push_back(hit.id);
  return ids;
}

index::Filter year_is(double year) {
  index::Filter filter;
  filter.op = index::FilterOp::eq;
  filter.key = "year";
  filter.values = {year};
  return filter;
}

class StoreIndexTest : public ::testing::Test {
 protected:
  std::vector<index::ChunkId> lexical(const std::string& term, std::optional<index::Filter> filter = {}) {
    text::SearchTerms terms;
    terms.terms = {term};
    return ids_of(index_.view()->search_lexical(terms, 10, filter));
  }
  std::vector<index::ChunkId> dense(const std::vector<float>& query, std::optional<index::Filter> filter = {}) {
    return ids_of(index_.view()->search_dense(query, 10, filter));
  }

  StoreIndex index_{"vs_1", "acme"};
};

TEST_F(StoreIndexTest, ReplaceRemovesTheFormerChunks) {
  index_.set_embedding("m", 2);
  index_.replace(document("a"), {chunk(1, {"old"}, {1, 0}), chunk(2, {"old"}, {0, 1})}, "");
  index_.replace(document("a"), {chunk(3, {"new"}, {1, 0})}, "");
  EXPECT_THAT(lexical("old"), IsEmpty());
  EXPECT_THAT(lexical("new"), ElementsAre(3));
  EXPECT_THAT(dense({1, 0}), ElementsAre(3));
  EXPECT_EQ(index_.chunks(), 1u);
  EXPECT_EQ(index_.vectors(), 1u);
}

TEST_F(StoreIndexTest, ReplaceRemovesTheReplacedDocument) {
  index_.replace(document("a"), {chunk(1, {"term"})}, "");
  index_.replace(document("b"), {chunk(2, {"term"})}, "a");
  EXPECT_THAT(lexical("term"), ElementsAre(2));
  EXPECT_FALSE(index_.view()->document("a").has_value());
  EXPECT_EQ(index_.view()->document("b")->filename, "b.txt");
}

TEST_F(StoreIndexTest, RemovedDocumentsLeaveNothing) {
  index_.set_embedding("m", 2);
  for (int round = 0; round < 3; ++round) {
    index_.replace(document("a"), {chunk(10 * round + 1, {"term"}, {1, 0})}, "");
    index_.replace(document("b"), {chunk(10 * round + 2, {"term"}, {0, 1})}, "");
    index_.remove("a");
    EXPECT_THAT(lexical("term"), ElementsAre(10 * round + 2));
    index_.remove("b");
    index_.remove("never there");
    EXPECT_EQ(index_.chunks(), 0u);
    EXPECT_EQ(index_.vectors(), 0u);
  }
}

TEST_F(StoreIndexTest, FilterHoldsInBothArms) {
  index_.set_embedding("m", 2);
  index_.replace(document("a", {{"year", 2023.0}}), {chunk(1, {"term"}, {1, 0}), chunk(2, {"term"}, {1, 0})}, "");
  index_.replace(document("b", {{"year", 2024.0}}), {chunk(3, {"term"}, {1, 0})}, "");
  EXPECT_THAT(lexical("term", year_is(2024)), ElementsAre(3));
  EXPECT_THAT(dense({1, 0}, year_is(2023)), ElementsAre(1, 2));
  index_.set_attributes("a", {{"year", 2024.0}});
  index_.set_attributes("unknown", {{"year", 2024.0}});
  EXPECT_EQ(lexical("term", year_is(2024)).size(), 3u);
  EXPECT_THAT(dense({1, 0}, year_is(2023)), IsEmpty());
}

TEST_F(StoreIndexTest, ChunksWithoutVectorHaveNoDenseScore) {
  index_.replace(document("a"), {chunk(1, {"term"})}, "");
  EXPECT_THAT(index_.view()->dense_scores(std::vector<float>{1, 0}, {1}), ElementsAre(std::nullopt));
  index_.set_embedding("m", 2);
  index_.replace(document("b"), {chunk(2, {"term"}, {0, 1})}, "");
  EXPECT_THAT(index_.view()->dense_scores(std::vector<float>{0, 1}, {1, 2, 99}),
              ElementsAre(std::nullopt, std::optional<float>(1.0f), std::nullopt));
  EXPECT_THAT(dense({0, 1, 0}), IsEmpty());  // A query of another size.
}

TEST_F(StoreIndexTest, VectorsAreOfOneModel) {
  EXPECT_FALSE(index_.has_vectors_of("m", 2));
  index_.set_embedding("m", 2);
  EXPECT_FALSE(index_.has_vectors_of("m", 2));
  index_.replace(document("a"), {chunk(1, {"term"}, {1, 0})}, "");
  EXPECT_TRUE(index_.has_vectors_of("m", 2));
  EXPECT_FALSE(index_.has_vectors_of("m", 3));
  EXPECT_FALSE(index_.has_vectors_of("n", 2));
  index_.set_embedding("m", 2);
  EXPECT_EQ(index_.vectors(), 1u);
  index_.set_embedding("n", 3);
  EXPECT_EQ(index_.vectors(), 0u);
  EXPECT_EQ(index_.embedding_model(), "n");
  EXPECT_THAT(lexical("term"), ElementsAre(1));
}

TEST_F(StoreIndexTest, ReadersSeeOneVersion) {
  std::atomic<bool> done = false;
  index_.replace(document("a"), {chunk(1, {"term"}), chunk(2, {"term"})}, "");
  std::thread writer([&] {
    for (index::ChunkId id = 3; id < 2000; id += 2) {
      index_.replace(document("a"), {chunk(id, {"term"}), chunk(id + 1, {"term"})}, "");
    }
    done = true;
  });
  while (!done) {
    const auto ids = lexical("term");
    ASSERT_EQ(ids.size(), 2u);
    ASSERT_EQ(ids[0] + 1, ids[1]);
  }
  writer.join();
}

}  // namespace
}  // namespace ragtime::engine
