#include "engine/store_index.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <random>
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

// Readers during changes and merges: every view shows one version of each document, in both arms and under a filter.
TEST(StoreIndexConcurrency, ViewsAreWholeDuringChangesAndMerges) {
  StoreIndexOptions options;
  options.merge_changes = 40;
  StoreIndex store("vs_1", "acme", options);
  store.set_embedding("m", 2);
  constexpr int kDocuments = 8;
  constexpr int kRounds = 300;
  index::ChunkId next = 1;
  const auto put = [&](int number, int version) {
    const auto info = document("d" + std::to_string(number), {{"year", static_cast<double>(version % 2)}});
    store.replace(info, {chunk(next, {"term"}, {1, 0}), chunk(next + 1, {"term"}, {0, 1})}, "");
    next += 2;
  };
  for (int d = 0; d < kDocuments; ++d) put(d, 0);
  std::atomic<bool> done = false;
  std::thread merger([&] {
    while (!done) {
      if (store.merge_due()) (void)store.merge();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      text::SearchTerms terms;
      terms.terms = {"term"};
      const std::vector<float> query = {1, 0};
      while (!done) {
        const auto view = store.view();
        auto lexical = ids_of(view->search_lexical(terms, 100, {}));
        auto dense = ids_of(view->search_dense(query, 100, {}));
        std::sort(lexical.begin(), lexical.end());
        std::sort(dense.begin(), dense.end());
        ASSERT_EQ(lexical.size(), 2u * kDocuments);
        ASSERT_EQ(lexical, dense);
        const auto even = view->search_lexical(terms, 100, year_is(0)).size();
        const auto odd = view->search_dense(query, 100, year_is(1)).size();
        ASSERT_EQ(even + odd, 2u * kDocuments);
      }
    });
  }
  for (int round = 1; round < kRounds; ++round) put(round % kDocuments, round);
  done = true;
  merger.join();
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(store.chunks(), 2u * kDocuments);
}

TEST(StoreIndexMerge, KeepsResultsAndChangesMadeMeanwhile) {
  StoreIndexOptions options;
  options.merge_changes = 1;
  StoreIndex store("vs_1", "acme", options);
  store.set_embedding("m", 2);
  store.replace(document("a"), {chunk(1, {"term"}, {1, 0})}, "");
  store.replace(document("b"), {chunk(2, {"term"}, {0, 1})}, "");
  EXPECT_TRUE(store.merge_due());
  const auto before = store.view();
  const auto merged = store.merge();
  EXPECT_TRUE(merged.lexical && merged.vectors);
  EXPECT_FALSE(store.merge_due());
  EXPECT_FALSE(store.changed_since_merge());
  store.remove("a");
  text::SearchTerms terms;
  terms.terms = {"term"};
  EXPECT_THAT(ids_of(store.view()->search_lexical(terms, 10, {})), ElementsAre(2));
  EXPECT_EQ(before->search_lexical(terms, 10, {}).size(), 2u);  // A view stays what it was.
  EXPECT_TRUE(before->document("b").has_value());
  store.set_embedding("n", 3);
  (void)store.merge();
  EXPECT_EQ(store.vectors(), 0u);
}

TEST(StoreIndexFilter, ManyDocumentsComeAndGo) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  StoreIndex store("vs_1", "acme");
  std::map<std::string, std::pair<index::ChunkId, double>> model;
  index::ChunkId next = 1;
  for (int i = 0; i < 3000; ++i) {
    const std::string id = "d" + std::to_string(random() % 700);
    const double year = static_cast<double>(random() % 5);
    switch (random() % 4) {
      case 0:
        store.remove(id);
        model.erase(id);
        break;
      case 1:
        store.set_attributes(id, {{"year", year}});
        if (model.contains(id)) model[id].second = year;
        break;
      default:
        store.replace(document(id, {{"year", year}}), {chunk(next, {"term"})}, "");
        model[id] = {next++, year};
    }
    if (i % 100 != 0) continue;
    std::vector<index::ChunkId> wanted;
    for (const auto& [name, place] : model) {
      if (place.second == 2) wanted.push_back(place.first);
    }
    text::SearchTerms terms;
    terms.terms = {"term"};
    for (int repeat = 0; repeat < 2; ++repeat) {
      ASSERT_THAT(ids_of(store.view()->search_lexical(terms, 1000, year_is(2))),
                  ::testing::UnorderedElementsAreArray(wanted));
    }
  }
}

TEST(StoreIndexStart, IsFilledBySeveralThreads) {
  constexpr index::ChunkId kThreads = 4;
  constexpr index::ChunkId kEach = 200;
  std::vector<storage::DocumentChunks> documents;
  for (index::ChunkId i = 0; i < kThreads * kEach; ++i) {
    documents.push_back({.file_id = "d" + std::to_string(i), .chunks = {i + 1, i + 1}});
  }
  StoreIndex store("vs_1", "acme");
  const auto missing = store.restore(StartingDocuments(documents), {}, {});
  ASSERT_EQ(missing.lexical.size(), 1u);
  EXPECT_EQ(missing.lexical.front().first, 1);
  EXPECT_EQ(missing.lexical.front().last, kThreads * kEach);
  std::vector<std::thread> threads;
  for (index::ChunkId t = 0; t < kThreads; ++t) {
    threads.emplace_back([&store, t] {
      std::vector<index::LexicalIndex::Addition> added;
      for (index::ChunkId i = 0; i < kEach; ++i) {
        const index::ChunkId id = t * kEach + i + 1;
        added.push_back({id, {}, {"term", "n" + std::to_string(id)}});
        if (added.size() == 10) store.fill(std::exchange(added, {}), {});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  text::SearchTerms terms;
  terms.terms = {"term"};
  EXPECT_EQ(store.view()->search_lexical(terms, 1000, {}).size(), static_cast<std::size_t>(kThreads * kEach));
  store.remove("d6");
  (void)store.merge();
  terms.terms = {"n7", "n8"};
  EXPECT_THAT(ids_of(store.view()->search_lexical(terms, 10, {})), ElementsAre(8));
}

// A search may look at a view of a store that is gone.
TEST(StoreIndexView, OutlivesItsStore) {
  auto store = std::make_unique<StoreIndex>("vs_1", "acme");
  const std::string id = "a file id that is too long to lie in the string itself";
  store->replace(document(id, {}), {chunk(1, {"term"})}, "");
  const auto view = store->view();
  store->replace(document(id, {{"year", 2.0}}), {chunk(2, {"term"})}, "");
  store.reset();
  EXPECT_EQ(view->first_chunk(id), 1);
  EXPECT_FALSE(view->document("another file id that is too long as well for that").has_value());
}

}  // namespace
}  // namespace ragtime::engine
