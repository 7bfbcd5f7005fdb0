#include "index/lexical_index.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <future>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "index/snapshot.h"

namespace ragtime::index {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Terms = std::vector<std::string>;
using Addition = LexicalIndex::Addition;

struct Fields {
  Terms heading;
  Terms body;
};
using Chunks = std::map<ChunkId, Fields>;

std::vector<ChunkId> ids_of(const std::vector<Hit>& hits) {
  std::vector<ChunkId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

std::vector<Addition> additions_of(const Chunks& chunks) {
  std::vector<Addition> added;
  for (const auto& [id, fields] : chunks) added.push_back({id, fields.heading, fields.body});
  return added;
}

LexicalIndex index_of(const Chunks& chunks, LexicalOptions options = {}) {
  LexicalIndex index(options);
  index.apply({}, additions_of(chunks));
  return index;
}

void merge(LexicalIndex& index) {
  index.adopt(index.merge(*index.view()));
}

std::vector<Hit> search(const LexicalIndex& index, Terms terms, std::size_t k = 10) {
  LexicalQuery query;
  query.terms = std::move(terms);
  query.k = k;
  return index.view()->search(query);
}

double count_in(const Terms& terms, const std::string& term) {
  return static_cast<double>(std::count(terms.begin(), terms.end(), term));
}

// The formula of the header, term by term and chunk by chunk.
std::map<ChunkId, double> plain_bm25(const Chunks& chunks, const Terms& query, const LexicalOptions& options) {
  const auto length_of = [](const Fields& fields) {
    return static_cast<double>(fields.heading.size() + fields.body.size());
  };
  const auto size = static_cast<double>(chunks.size());
  double total = 0;
  for (const auto& [id, fields] : chunks) total += length_of(fields);
  std::map<ChunkId, double> scores;
  for (const std::string& term : query) {
    double df = 0;
    for (const auto& [id, fields] : chunks) df += count_in(fields.heading, term) + count_in(fields.body, term) > 0;
    const double idf = std::log(1 + (size - df + 0.5) / (df + 0.5));
    for (const auto& [id, fields] : chunks) {
      const double tf = count_in(fields.body, term) + options.heading_weight * count_in(fields.heading, term);
      const double norm = 1 - options.b + options.b * length_of(fields) * size / total;
      if (tf > 0) scores[id] += idf * tf * (options.k1 + 1) / (tf + options.k1 * norm);
    }
  }
  return scores;
}

void expect_plain_scores(const LexicalView& view, const Chunks& chunks, const Terms& terms, std::size_t k,
                         const LexicalOptions& options) {
  const auto expected = plain_bm25(chunks, terms, options);
  std::vector<double> best;
  for (const auto& [id, score] : expected) best.push_back(score);
  std::sort(best.rbegin(), best.rend());
  LexicalQuery query;
  query.terms = terms;
  query.k = k;
  const auto hits = view.search(query);
  ASSERT_EQ(hits.size(), std::min(k, expected.size()));
  for (std::size_t i = 0; i < hits.size(); ++i) {
    EXPECT_NEAR(hits[i].score, expected.at(hits[i].id), 1e-5 * std::max(1.0, best[i]));
    EXPECT_NEAR(hits[i].score, best[i], 1e-5 * std::max(1.0, best[i]));
  }
}

// "t0" is in nearly every chunk, the others are rarer and rarer.
Terms random_terms(std::mt19937& random, std::size_t count) {
  std::geometric_distribution<int> zipf_like(0.05);
  Terms terms;
  for (std::size_t i = 0; i < count; ++i) terms.push_back("t" + std::to_string(zipf_like(random)));
  return terms;
}

Fields random_fields(std::mt19937& random) {
  return {random_terms(random, random() % 4), random_terms(random, random() % 40)};
}

class MemorySnapshot final : public SnapshotWriter, public SnapshotReader {
 public:
  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override {
    columns_[std::string(name)] = {std::vector<std::byte>(bytes.begin(), bytes.end()), element_size};
  }
  Result<void> finish() override { return {}; }
  Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const override {
    const auto found = columns_.find(std::string(name));
    if (found == columns_.end() || found->second.second != element_size)
      return make_error(ErrorCode::corrupt, "column");
    return std::span<const std::byte>(found->second.first);
  }
  std::map<std::string, std::pair<std::vector<std::byte>, std::size_t>>& columns() { return columns_; }

 private:
  std::map<std::string, std::pair<std::vector<std::byte>, std::size_t>> columns_;
};

TEST(LexicalIndex, RareTermsAndShortChunksWin) {
  const auto index =
      index_of({{1, {{}, {"common", "rare"}}}, {2, {{}, {"common", "x"}}}, {3, {{}, {"common", "rare", "y", "z"}}}});
  EXPECT_THAT(ids_of(search(index, {"common", "rare"})), ElementsAre(1, 3, 2));
  EXPECT_EQ(index.view()->size(), 3u);
}

TEST(LexicalIndex, OnlyChunksWithATermAppear) {
  const auto index = index_of({{1, {{}, {"a"}}}, {2, {{}, {"b"}}}, {3, {}}});
  EXPECT_THAT(ids_of(search(index, {"a"})), ElementsAre(1));
  EXPECT_THAT(search(index, {"unknown"}), IsEmpty());
  EXPECT_THAT(search(index, {}), IsEmpty());
  EXPECT_THAT(search(index, {"a"}, 0), IsEmpty());
  EXPECT_THAT(search(LexicalIndex(), {"a"}), IsEmpty());
}

TEST(LexicalIndex, TiesByLowerIdAlsoAtTheCut) {
  LexicalIndex index;
  for (const ChunkId id : {9, 2, 7, 4}) index.apply({}, std::vector<Addition>{{id, {}, {"same", "words"}}});
  EXPECT_THAT(ids_of(search(index, {"same"})), ElementsAre(2, 4, 7, 9));
  EXPECT_THAT(ids_of(search(index, {"same"}, 2)), ElementsAre(2, 4));
  merge(index);
  index.apply({}, std::vector<Addition>{{3, {}, {"same", "words"}}});
  EXPECT_THAT(ids_of(search(index, {"same"}, 2)), ElementsAre(2, 3));
}

TEST(LexicalIndex, TiesAcrossManyWindows) {
  Chunks chunks;
  for (ChunkId id = 0; id < 20'000; ++id) chunks[id] = {{}, {"same", "words"}};
  auto index = index_of(chunks);
  merge(index);
  index.apply(std::vector<ChunkId>{0, 2, 9'000}, {});
  EXPECT_THAT(ids_of(search(index, {"same", "words"}, 3)), ElementsAre(1, 3, 4));
}

TEST(LexicalIndex, ARepeatedTermCountsAsOften) {
  const auto index = index_of({{1, {{}, {"a", "x"}}}, {2, {{}, {"b", "x"}}}});
  EXPECT_FLOAT_EQ(search(index, {"a", "a"})[0].score, 2 * search(index, {"a"})[0].score);
  EXPECT_THAT(ids_of(search(index, {"a", "b", "b"})), ElementsAre(2, 1));
}

TEST(LexicalIndex, HeadingTermsWeighMore) {
  const Chunks chunks{{1, {{}, {"a", "b"}}}, {2, {{"a"}, {"b"}}}, {3, {{}, {"c", "d"}}}};
  EXPECT_THAT(ids_of(search(index_of(chunks, {.heading_weight = 1}), {"a"})), ElementsAre(1, 2));
  const LexicalOptions options{.heading_weight = 2.5f};
  const auto index = index_of(chunks, options);
  EXPECT_THAT(ids_of(search(index, {"a"})), ElementsAre(2, 1));
  expect_plain_scores(*index.view(), chunks, {"a", "b"}, 10, options);
}

TEST(LexicalIndex, HeadingsWithoutWeightDoNotCount) {
  const Chunks chunks{{1, {{"a"}, {"b"}}}, {2, {{}, {"a", "b"}}}};
  for (const float k1 : {0.0f, 0.9f}) {
    const auto index = index_of(chunks, {.k1 = k1, .heading_weight = 0});
    EXPECT_THAT(ids_of(search(index, {"a"})), ElementsAre(2));
    EXPECT_THAT(ids_of(search(index, {"a", "b"})), ElementsAre(2, 1));
    EXPECT_THAT(index.view()->scores({"a"}, std::vector<ChunkId>{1}), ElementsAre(0));
  }
}

// Made for the thread sanitizer: readers search and merges run while a writer adds, removes, adopts and ranks anew.
TEST(LexicalIndex, ReadersAndMergesBesideAWriter) {
  LexicalIndex index;
  std::atomic<bool> is_done{false};
  const auto read = [&](int from) {
    for (int i = from; !is_done || i < from + 5; ++i) {
      const auto view = index.view();
      LexicalQuery query{.terms = {"every", "t" + std::to_string(i % 7)}, .k = 1000};
      const auto ids = ids_of(view->search(query));
      EXPECT_EQ(ids.size(), view->size());
      for (const float score : view->scores(query.terms, ids)) EXPECT_GT(score, 0);
    }
  };
  std::vector<std::thread> readers;
  for (const int from : {0, 3}) readers.emplace_back(read, from);
  std::future<std::shared_ptr<const LexicalSegment>> merging;
  for (ChunkId id = 0; id < 600; ++id) {
    const std::vector<Addition> added{{id, {"t" + std::to_string(id % 5)}, {"every", "t" + std::to_string(id % 7)}}};
    const std::vector<ChunkId> removed{id % 3 == 0 ? id / 2 : ChunkId{10'000}};
    index.apply(removed, added);
    if (id % 100 == 10) {
      merging = std::async(std::launch::async, [&, view = index.view()] { return index.merge(*view); });
    }
    if (id % 100 == 60) index.adopt(merging.get());
    if (id % 100 == 80) index.set_options({.k1 = 1.2f, .b = 0.75f, .heading_weight = static_cast<float>(id % 3)});
  }
  is_done = true;
  for (auto& reader : readers) reader.join();
}

TEST(LexicalIndex, RemovedChunksAreGoneFromResultsAndStatistics) {
  Chunks chunks{{1, {{}, {"a", "b"}}}, {2, {{}, {"a"}}}, {3, {{}, {"b", "c", "c"}}}};
  auto index = index_of(chunks);
  index.apply(std::vector<ChunkId>{2, 2, 77}, {});
  chunks.erase(2);
  EXPECT_EQ(index.view()->size(), 2u);
  expect_plain_scores(*index.view(), chunks, {"a", "c"}, 10, {});
  chunks[2] = {{}, {"c"}};
  index.apply(std::vector<ChunkId>{3}, std::vector<Addition>{{2, {}, {"c"}}, {3, {}, {"a"}}});
  chunks[3] = {{}, {"a"}};
  expect_plain_scores(*index.view(), chunks, {"a", "c"}, 10, {});
}

TEST(LexicalIndex, AViewStaysAsItWas) {
  auto index = index_of({{1, {{}, {"a"}}}, {2, {{}, {"a", "b"}}}});
  const auto before = index.view();
  index.apply(std::vector<ChunkId>{1}, std::vector<Addition>{{3, {}, {"a"}}});
  LexicalQuery query;
  query.terms = {"a"};
  EXPECT_THAT(ids_of(before->search(query)), ElementsAre(1, 2));
  EXPECT_THAT(ids_of(index.view()->search(query)), ElementsAre(3, 2));
  merge(index);
  EXPECT_THAT(ids_of(before->search(query)), ElementsAre(1, 2));
}

TEST(LexicalIndex, AgreesWithThePlainFormulaUnderChurn) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const LexicalOptions options : {LexicalOptions{}, LexicalOptions{1.2f, 0.75f, 2}, LexicalOptions{1.5f, 0, 1}}) {
    LexicalIndex index(options);
    Chunks model;
    std::shared_ptr<const LexicalSegment> merged;
    for (int step = 0; step < 400; ++step) {
      std::set<ChunkId> removed;
      std::map<ChunkId, Fields> added;
      for (unsigned count = random() % 20; count > 0; --count) removed.insert(static_cast<ChunkId>(random() % 400));
      for (const ChunkId id : removed) model.erase(id);
      for (unsigned count = random() % 20; count > 0; --count) {
        const auto id = static_cast<ChunkId>(random() % 400);
        if (!model.contains(id)) added[id] = model[id] = random_fields(random);
      }
      index.apply(std::vector<ChunkId>(removed.begin(), removed.end()), additions_of(added));
      if (random() % 20 == 0) merged = index.merge(*index.view());
      if (merged && random() % 8 == 0) index.adopt(std::move(merged));
      if (step % 10 == 0) {
        ASSERT_EQ(index.view()->size(), model.size());
        expect_plain_scores(*index.view(), model, random_terms(random, 1 + random() % 6), 1 + random() % 500, options);
      }
    }
  }
}

TEST(LexicalIndex, ScoresDoNotDependOnHowChunksAreSpread) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Chunks chunks;
  LexicalIndex spread;
  for (ChunkId id = 0; id < 9'000; ++id) {
    chunks[id] = random_fields(random);
    if (id % 500 == 0) {
      const Chunks last(chunks.find(std::max<ChunkId>(id - 499, 0)), chunks.end());
      spread.apply({}, additions_of(last));
    }
    if (id == 4'000) merge(spread);
  }
  chunks.erase(chunks.find(8'501), chunks.end());
  const auto whole = index_of(chunks);
  for (int i = 0; i < 50; ++i) {
    const Terms terms = random_terms(random, 1 + random() % 15);
    const auto expected = search(whole, terms, 25);
    const auto hits = search(spread, terms, 25);
    ASSERT_EQ(ids_of(hits), ids_of(expected));
    for (std::size_t h = 0; h < hits.size(); ++h) ASSERT_EQ(hits[h].score, expected[h].score);
    const auto scores = spread.view()->scores(terms, ids_of(expected));
    for (std::size_t h = 0; h < hits.size(); ++h) ASSERT_EQ(scores[h], expected[h].score);
  }
}

// More different frequencies than marks of one byte tell apart, and terms with few, in nearly every chunk.
TEST(LexicalIndex, FrequentTermsOfManyFrequencies) {
  Chunks chunks;
  for (ChunkId id = 0; id < 1'500; ++id) {
    Fields& fields = chunks[id];
    fields.body.assign(static_cast<std::size_t>(1 + id % 300), "often");
    if (id % 7 != 0) fields.body.insert(fields.body.end(), static_cast<std::size_t>(1 + id % 3), "common");
    if (id % 50 == 0) fields.body.push_back("rare");
  }
  const auto index = index_of(chunks);
  for (const Terms& terms : {Terms{"often"}, {"common"}, {"rare", "common"}, {"often", "common", "rare"}}) {
    expect_plain_scores(*index.view(), chunks, terms, 20, {});
  }
}

TEST(LexicalIndex, OptionsChangeWithoutIndexingAnew) {
  std::mt19937 random(23);
  Chunks chunks;
  for (ChunkId id = 0; id < 900; ++id) chunks[id] = random_fields(random);
  auto index = index_of(chunks);
  merge(index);
  const LexicalOptions other{.k1 = 1.7f, .b = 0.9f, .heading_weight = 0.5f};
  const auto before = index.view();
  const auto merged = index.merge(*before);  // With the options of its view.
  chunks[1'000] = random_fields(random);
  index.apply({}, additions_of({{1'000, chunks[1'000]}}));
  index.set_options(other);
  const Terms terms = random_terms(random, 6);
  expect_plain_scores(*index.view(), chunks, terms, 30, other);
  index.adopt(merged);
  expect_plain_scores(*index.view(), chunks, terms, 30, other);
  merge(index);
  expect_plain_scores(*index.view(), chunks, terms, 30, other);
  chunks.erase(1'000);
  expect_plain_scores(*before, chunks, terms, 30, {});
}

TEST(LexicalIndex, QueriesOfHundredsOfTerms) {
  std::mt19937 random(11);
  Chunks chunks;
  for (ChunkId id = 0; id < 300; ++id) chunks[id] = random_fields(random);
  expect_plain_scores(*index_of(chunks).view(), chunks, random_terms(random, 300), 20, {});
}

TEST(LexicalIndex, ScoresOfGivenChunks) {
  auto index = index_of({{1, {{}, {"a", "b"}}}, {2, {{}, {"b"}}}, {3, {{}, {"a"}}}});
  index.apply(std::vector<ChunkId>{3}, {});
  const auto scores = index.view()->scores({"a"}, std::vector<ChunkId>{3, 2, 1, 99});
  EXPECT_THAT(scores, ElementsAre(0, 0, search(index, {"a"})[0].score, 0));
}

TEST(LexicalIndex, SelectionsOfAnySize) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Chunks chunks;
  for (ChunkId id = 0; id < 6'000; ++id) chunks[id] = random_fields(random);
  auto index = index_of(chunks);
  merge(index);
  for (const int one_in : {1, 3, 50, 3'000, 100'000}) {
    Selection selection;
    std::set<ChunkId> selected;
    for (ChunkId id = 0; id < 7'000; ++id) {
      if (random() % static_cast<unsigned>(one_in) == 0) selection.add(id), selected.insert(id);
    }
    const Terms terms = random_terms(random, 4);
    auto expected = search(index, terms, chunks.size());
    std::erase_if(expected, [&](const Hit& hit) { return !selected.contains(hit.id); });
    expected.resize(std::min<std::size_t>(expected.size(), 10));
    LexicalQuery query;
    query.terms = terms;
    query.selection = &selection;
    const auto hits = index.view()->search(query);
    ASSERT_EQ(ids_of(hits), ids_of(expected));
    for (std::size_t h = 0; h < hits.size(); ++h) EXPECT_EQ(hits[h].score, expected[h].score);
  }
}

TEST(LexicalIndex, PhrasesMustMatch) {
  auto index = index_of({{1, {{}, {"new", "york", "city"}}},
                         {2, {{}, {"york", "new", "york"}}},
                         {3, {{}, {"new", "city", "york"}}},
                         {4, {{"new"}, {"york"}}},
                         {5, {{"new", "york"}, {"other"}}}});
  LexicalQuery query;
  query.terms = {"new", "york"};
  query.phrases = {{"new", "york"}};
  auto hits = ids_of(index.view()->search(query));
  EXPECT_THAT(hits, testing::UnorderedElementsAre(1, 2, 5));
  merge(index);
  EXPECT_EQ(ids_of(index.view()->search(query)), hits);
  query.phrases.push_back({"york", "city"});
  EXPECT_THAT(ids_of(index.view()->search(query)), ElementsAre(1));
  query.phrases = {{"new", "boston"}};
  EXPECT_THAT(index.view()->search(query), IsEmpty());
  Selection selection;
  selection.add(2);
  query.phrases = {{"new", "york"}};
  query.selection = &selection;
  EXPECT_THAT(ids_of(index.view()->search(query)), ElementsAre(2));
}

TEST(LexicalIndex, WordsScoreAsTermsWhereTheyOccur) {
  auto index = index_of({{1, {{}, {"new", "york", "new", "york"}}},
                         {2, {{}, {"york", "new", "x", "x"}}},
                         {3, {{}, {"z", "y", "new", "york"}}},
                         {4, {{}, {"york", "york", "new", "new"}}}});
  index.apply(std::vector<ChunkId>{1},
              std::vector<Addition>{{6, {}, {"new", "york", "a", "b"}}, {9, {}, {"new", "york"}}});
  index.apply(std::vector<ChunkId>{9}, {});
  LexicalQuery query;
  query.words = {{"new", "york"}, {"never", "there"}};
  const auto alone = index.view()->search(query);
  EXPECT_THAT(ids_of(alone), ElementsAre(3, 6));
  const double idf = std::log(1 + (4 - 2 + 0.5) / (2 + 0.5));
  EXPECT_NEAR(alone[0].score, idf * 1.9 / (1 + 0.9), 1e-6);
  query.terms = {"new"};
  query.k = 2;
  const auto both = index.view()->search(query);
  EXPECT_THAT(ids_of(both), ElementsAre(3, 6));
  EXPECT_NEAR(both[0].score, alone[0].score + index.view()->scores({"new"}, std::vector<ChunkId>{3})[0], 1e-6);
  Selection selection;
  selection.add(6);
  query.selection = &selection;
  const auto selected = index.view()->search(query);
  ASSERT_THAT(ids_of(selected), ElementsAre(6));
  EXPECT_EQ(selected[0].score, both[1].score);
}

TEST(LexicalIndex, WordsAcrossManyWindows) {
  Chunks chunks;
  std::mt19937 random(3);
  for (ChunkId id = 0; id < 12'000; ++id) chunks[id] = random_fields(random);
  for (const ChunkId id : {5, 4'100, 11'999}) chunks[id].body = {"rare", "pair", "t0"};
  chunks[7'000].body = {"pair", "rare"};
  const auto index = index_of(chunks);
  LexicalQuery query;
  query.terms = {"t0", "t9"};
  query.words = {{"rare", "pair"}};
  query.k = 3;
  EXPECT_THAT(ids_of(index.view()->search(query)), testing::UnorderedElementsAre(5, 4'100, 11'999));
}

TEST(LexicalIndex, ManyBatchesStayFewParts) {
  LexicalIndex index;
  for (ChunkId id = 0; id < 5'000; ++id)
    index.apply({}, std::vector<Addition>{{id, {}, {"all", "n" + std::to_string(id)}}});
  EXPECT_THAT(ids_of(search(index, {"n1234"})), ElementsAre(1234));
  EXPECT_TRUE(index.merge_due());
  merge(index);
  EXPECT_FALSE(index.merge_due());
  const auto report = index.view()->report();
  EXPECT_EQ(report.chunks, 5'000u);
  EXPECT_EQ(report.recent, 0u);
  EXPECT_EQ(report.terms, 5'001u);
  EXPECT_GT(report.bytes, 10'000u);
}

TEST(LexicalIndex, SpaceOfRemovedChunksReturns) {
  LexicalIndex index;
  std::vector<ChunkId> ids;
  for (int round = 0; round < 3; ++round) {
    Chunks chunks;
    for (ChunkId id = 0; id < 5'000; ++id) chunks[id] = {{}, {"all", "n" + std::to_string(id)}};
    index.apply({}, additions_of(chunks));
    merge(index);
    EXPECT_THAT(search(index, {"all"}, 9'000), SizeIs(5'000));
    ids.assign(index.base_ids().begin(), index.base_ids().end());
    EXPECT_THAT(ids, SizeIs(5'000));
    index.apply(ids, {});
    EXPECT_EQ(index.view()->size(), 0u);
    EXPECT_EQ(index.view()->report().removed, 5'000u);
    EXPECT_THAT(search(index, {"all", "n7"}), IsEmpty());
    EXPECT_TRUE(index.merge_due());
    merge(index);
    EXPECT_LT(index.view()->report().bytes, 1'000u);
  }
}

TEST(LexicalIndex, ChangesDuringAMergeAreCarriedOver) {
  Chunks chunks{{1, {{}, {"a"}}}, {2, {{}, {"a", "b"}}}, {3, {{}, {"a", "c"}}}};
  auto index = index_of(chunks);
  const auto merged = index.merge(*index.view());
  index.apply(std::vector<ChunkId>{1, 2}, std::vector<Addition>{{2, {}, {"d"}}, {4, {}, {"a", "a"}}});
  chunks.erase(1);
  chunks[2] = {{}, {"d"}};
  chunks[4] = {{}, {"a", "a"}};
  index.adopt(merged);
  EXPECT_EQ(index.view()->size(), 3u);
  for (const Terms& terms : {Terms{"a", "b"}, Terms{"d", "c"}}) {
    expect_plain_scores(*index.view(), chunks, terms, 10, {});
  }
}

TEST(LexicalIndex, AnOlderMergeDoesNotBringBackOldChunks) {
  auto index = index_of({{1, {{}, {"old"}}}});
  const auto older = index.merge(*index.view());
  index.apply(std::vector<ChunkId>{1}, std::vector<Addition>{{1, {}, {"new"}}});
  merge(index);
  index.adopt(older);
  EXPECT_THAT(search(index, {"old"}), IsEmpty());
  EXPECT_THAT(ids_of(search(index, {"new"})), ElementsAre(1));
}

TEST(LexicalIndex, SavesAndLoadsItsBase) {
  std::mt19937 random(7);
  Chunks chunks;
  for (ChunkId id = 0; id < 2'000; ++id) chunks[3 * id] = random_fields(random);
  auto index = index_of(chunks);
  merge(index);
  index.apply(std::vector<ChunkId>{0}, std::vector<Addition>{{1, {}, {"later"}}});
  MemorySnapshot snapshot;
  index.save(snapshot);
  const LexicalOptions options{1.2f, 0.75f, 3};
  auto loaded = LexicalIndex::load(snapshot, options);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_THAT(loaded->base_ids(), SizeIs(2'000));
  expect_plain_scores(*loaded->view(), chunks, {"t0", "t3", "t40"}, 30, options);
  loaded->apply(std::vector<ChunkId>{3}, std::vector<Addition>{{3, {}, {"t1"}}});
  chunks[3] = {{}, {"t1"}};
  expect_plain_scores(*loaded->view(), chunks, {"t1", "t60"}, 30, options);
  merge(*loaded);
  expect_plain_scores(*loaded->view(), chunks, {"t1", "t60"}, 30, options);
}

TEST(LexicalIndex, AnEmptyIndexSavesAndLoads) {
  MemorySnapshot snapshot;
  LexicalIndex().save(snapshot);
  auto loaded = LexicalIndex::load(snapshot, {});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->view()->size(), 0u);
}

// Of 400 chunks, merged.
MemorySnapshot random_snapshot(std::mt19937& random) {
  Chunks chunks;
  for (ChunkId id = 0; id < 400; ++id) chunks[id] = random_fields(random);
  auto index = index_of(chunks);
  merge(index);
  MemorySnapshot snapshot;
  index.save(snapshot);
  return snapshot;
}

TEST(LexicalIndex, DamagedSnapshotsAreRefusedOrHarmless) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const MemorySnapshot snapshot = random_snapshot(random);
  int refused = 0;
  for (int round = 0; round < 3'000; ++round) {
    MemorySnapshot damaged = snapshot;
    auto column = std::next(damaged.columns().begin(), static_cast<long>(random() % damaged.columns().size()));
    std::vector<std::byte>& bytes = column->second.first;
    if (bytes.empty()) continue;
    if (random() % 8 == 0)
      bytes.resize(random() % bytes.size() / column->second.second * column->second.second);
    else
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    auto loaded = LexicalIndex::load(damaged, {});
    if (!loaded.has_value()) {
      EXPECT_EQ(loaded.error().code, ErrorCode::corrupt);
      ++refused;
      continue;
    }
    search(*loaded, {"t0", "t5", "t30"}, 50);
    loaded->apply(std::vector<ChunkId>{5, 17}, {});
    merge(*loaded);
  }
  EXPECT_GT(refused, 1'000);
}

// A start does not read forward lists, so that damage shows when one is.
TEST(LexicalIndex, DamagedForwardListsAreHarmless) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const MemorySnapshot snapshot = random_snapshot(random);
  std::vector<ChunkId> ids(400);
  std::iota(ids.begin(), ids.end(), 0);
  int loads = 0;
  for (int round = 0; round < 300; ++round) {
    MemorySnapshot damaged = snapshot;
    const bool is_length = round % 3 == 0;
    std::vector<std::byte>& bytes = damaged.columns().at(is_length ? "lexical.lengths" : "lexical.forward").first;
    for (int i = 0; i < 50; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random() | 0x80u);
    auto loaded = LexicalIndex::load(damaged, {});
    if (!loaded.has_value()) continue;
    ++loads;
    const LexicalQuery phrase{.terms = {"t0"}, .phrases = {{"t0", "t1"}}, .words = {{"t2", "t0"}}};
    loaded->view()->search(phrase);
    loaded->view()->scores({"t0", "t5"}, ids);
    loaded->apply(ids, {});
    search(*loaded, {"t0"});
    merge(*loaded);
  }
  EXPECT_EQ(loads, 300);
}

// Bounds of scores come with the snapshot, where they are of the ranking that is wanted.
TEST(LexicalIndex, SnapshotsServeAnyRanking) {
  std::mt19937 random(7);
  Chunks chunks;
  for (ChunkId id = 0; id < 3'000; ++id) chunks[id] = random_fields(random);
  auto index = index_of(chunks);
  merge(index);
  MemorySnapshot snapshot;
  index.save(snapshot);
  MemorySnapshot former = snapshot;
  for (const char* column : {"lexical.saturated_by", "lexical.saturations", "lexical.block_saturations"}) {
    ASSERT_EQ(former.columns().erase(column), 1u);
  }
  MemorySnapshot shorter = snapshot;
  shorter.columns().at("lexical.block_saturations").first.clear();
  LexicalOptions other;
  other.k1 = 2;
  other.b = 0.9f;
  for (const LexicalOptions& options : {LexicalOptions(), other}) {
    index.set_options(options);
    const auto expected = search(index, {"t0", "t5", "t30"}, 50);
    for (const MemorySnapshot* saved : {&snapshot, &former, &shorter}) {
      const auto hits = search(*LexicalIndex::load(*saved, options), {"t0", "t5", "t30"}, 50);
      ASSERT_EQ(ids_of(hits), ids_of(expected));
      for (std::size_t i = 0; i < hits.size(); ++i) EXPECT_EQ(hits[i].score, expected[i].score);
    }
  }
}

TEST(LexicalIndexDeathTest, ADoubleIdIsADefect) {
  auto index = index_of({{1, {{}, {"a"}}}});
  EXPECT_DEATH(index.apply({}, std::vector<Addition>{{1, {}, {"b"}}}), "");
  EXPECT_DEATH(index.apply({}, std::vector<Addition>{{2, {}, {"b"}}, {2, {}, {"b"}}}), "");
}

}  // namespace
}  // namespace ragtime::index
