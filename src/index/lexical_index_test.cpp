#include "index/lexical_index.h"

#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>

namespace ragtime::index {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Terms = std::vector<std::string>;
using Chunks = std::map<ChunkId, Terms>;

std::vector<ChunkId> ids_of(const std::vector<Hit>& hits) {
  std::vector<ChunkId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

LexicalIndex index_of(const Chunks& chunks, Bm25Options options = {}) {
  LexicalIndex index(options);
  for (const auto& [id, terms] : chunks) index.add(id, terms);
  return index;
}

// The formula of the header, term by term and chunk by chunk.
std::map<ChunkId, double> plain_bm25(const Chunks& chunks, const Terms& query, Bm25Options options) {
  double total = 0;
  for (const auto& [id, terms] : chunks) total += static_cast<double>(terms.size());
  const double average = total / static_cast<double>(chunks.size());
  std::map<ChunkId, double> scores;
  for (const std::string& term : query) {
    double df = 0;
    for (const auto& [id, terms] : chunks) df += std::count(terms.begin(), terms.end(), term) > 0;
    const double idf = std::log(1 + (static_cast<double>(chunks.size()) - df + 0.5) / (df + 0.5));
    for (const auto& [id, terms] : chunks) {
      const auto tf = static_cast<double>(std::count(terms.begin(), terms.end(), term));
      const double norm = 1 - options.b + options.b * static_cast<double>(terms.size()) / average;
      if (tf > 0) scores[id] += idf * tf * (options.k1 + 1) / (tf + options.k1 * norm);
    }
  }
  return scores;
}

void expect_plain_bm25(const LexicalIndex& index, const Chunks& chunks, const Terms& query, Bm25Options options) {
  const auto expected = plain_bm25(chunks, query, options);
  const auto hits = index.search(query, chunks.size() + 1, {});
  ASSERT_EQ(hits.size(), expected.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    EXPECT_NEAR(hits[i].score, expected.at(hits[i].id), 1e-4);
    EXPECT_GE(hits[i == 0 ? 0 : i - 1].score, hits[i].score);
  }
}

Terms random_terms(std::mt19937& random, std::size_t count) {
  std::geometric_distribution<int> zipf_like(0.08);
  Terms terms;
  for (std::size_t i = 0; i < count; ++i) terms.push_back("t" + std::to_string(zipf_like(random)));
  return terms;
}

TEST(LexicalIndex, RareTermsAndShortChunksWin) {
  const auto index = index_of({{1, {"common", "rare"}}, {2, {"common", "x"}}, {3, {"common", "rare", "y", "z"}}});
  EXPECT_THAT(ids_of(index.search({"common", "rare"}, 10, {})), ElementsAre(1, 3, 2));
  EXPECT_EQ(index.size(), 3u);
}

TEST(LexicalIndex, OnlyChunksWithATermAppear) {
  const auto index = index_of({{1, {"a"}}, {2, {"b"}}, {3, {}}});
  EXPECT_THAT(ids_of(index.search({"a"}, 10, {})), ElementsAre(1));
  EXPECT_THAT(index.search({"unknown"}, 10, {}), IsEmpty());
  EXPECT_THAT(index.search({}, 10, {}), IsEmpty());
  EXPECT_THAT(index.search({"a"}, 0, {}), IsEmpty());
  EXPECT_THAT(LexicalIndex().search({"a"}, 10, {}), IsEmpty());
}

TEST(LexicalIndex, TiesByLowerIdAlsoAtTheCut) {
  LexicalIndex index;
  for (const ChunkId id : {9, 2, 7, 4}) index.add(id, {"same", "words"});
  EXPECT_THAT(ids_of(index.search({"same"}, 10, {})), ElementsAre(2, 4, 7, 9));
  EXPECT_THAT(ids_of(index.search({"same"}, 2, {})), ElementsAre(2, 4));
}

TEST(LexicalIndex, AcceptSeesOnlyScoredCandidates) {
  const auto index = index_of({{1, {"a"}}, {2, {"b"}}, {3, {"a", "a"}}, {4, {"a", "b"}}});
  std::set<ChunkId> asked;
  const Accept accept = [&](ChunkId id) {
    asked.insert(id);
    return id != 3;
  };
  EXPECT_THAT(ids_of(index.search({"a"}, 10, accept)), ElementsAre(1, 4));
  EXPECT_THAT(asked, ElementsAre(1, 3, 4));
}

TEST(LexicalIndex, RemovedChunksAreGoneFromResultsAndStatistics) {
  Chunks chunks{{1, {"a", "b"}}, {2, {"a"}}, {3, {"b", "c", "c"}}};
  auto index = index_of(chunks);
  index.remove(2);
  index.remove(2);
  index.remove(77);
  chunks.erase(2);
  EXPECT_EQ(index.size(), 2u);
  expect_plain_bm25(index, chunks, {"a", "c"}, {});
  index.add(2, {"c"});
  chunks[2] = {"c"};
  expect_plain_bm25(index, chunks, {"a", "c"}, {});
}

TEST(LexicalIndex, AgreesWithThePlainFormulaUnderChurn) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const Bm25Options options : {Bm25Options{}, Bm25Options{1.2f, 0.75f}, Bm25Options{1.5f, 0}}) {
    LexicalIndex index(options);
    Chunks model;
    for (int step = 0; step < 3000; ++step) {
      const auto id = static_cast<ChunkId>(random() % 150);
      if (model.erase(id) > 0) {
        index.remove(id);
      } else {
        model[id] = random_terms(random, random() % 40);
        index.add(id, model[id]);
      }
    }
    ASSERT_EQ(index.size(), model.size());
    for (int query = 0; query < 20; ++query) expect_plain_bm25(index, model, random_terms(random, 4), options);
  }
}

TEST(LexicalIndex, EmptiedAndRefilled) {
  LexicalIndex index;
  for (int round = 0; round < 3; ++round) {
    for (ChunkId id = 0; id < 1000; ++id) index.add(id, {"all", "n" + std::to_string(id)});
    EXPECT_EQ(index.search({"all"}, 2000, {}).size(), 1000u);
    for (ChunkId id = 0; id < 1000; ++id) index.remove(id);
    EXPECT_EQ(index.size(), 0u);
    EXPECT_THAT(index.search({"all", "n7"}, 10, {}), IsEmpty());
  }
}

TEST(LexicalIndexDeathTest, ADoubleIdIsADefect) {
  LexicalIndex index;
  index.add(1, {"a"});
  EXPECT_DEATH(index.add(1, {"b"}), "");
}

}  // namespace
}  // namespace ragtime::index
