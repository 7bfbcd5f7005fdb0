// What every kind of vector index promises, run over all that are registered.

#include <filesystem>

#include <gmock/gmock.h>
#include <unistd.h>

#include "index/vector_segment.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kWanted = 10;
// The default target less what chance takes in 300 trials, one and a half standard errors.
constexpr double kRecallLeast = 0.93;
// The least effort, and what is found with it all the same.
constexpr double kLowTarget = 0.01;
constexpr double kLowRecall = 0.6;

class VectorContractTest : public testing::TestWithParam<VectorKind> {
 protected:
  ~VectorContractTest() override { std::filesystem::remove_all(files_); }

  VectorIndexOptions options() const { return {.kind = GetParam(), .files = files_}; }

  VectorIndex merged(const TestVectors& vectors) const {
    VectorIndex index(vectors.dimensions, options());
    add_all(index, vectors);
    merge_now(index);
    return index;
  }

  static double mean_recall(const VectorView& view, const TestVectors& vectors, const TestVectors& queries,
                            const TestFilter& allowed = {}, const Selection* selection = nullptr,
                            std::optional<double> target = {}) {
    double sum = 0;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const auto found =
          view.search({.vector = queries[q], .k = kWanted, .selection = selection, .recall_target = target});
      sum += recall_of(vectors, queries[q], found, exact_search(vectors, queries[q], kWanted, allowed));
    }
    return sum / static_cast<double>(queries.size()) + 1e-9;  // Of rounding.
  }

  std::filesystem::path files_ =
      std::filesystem::temp_directory_path() / ("ragtime-contract-" + std::to_string(::getpid()));
};

// The first `count` are searched in, the rest are queries from the same distribution.
struct Split {
  TestVectors vectors;
  TestVectors queries;
};
Split split(std::size_t count, std::size_t dimensions, std::uint64_t seed, std::size_t query_count = 30) {
  const auto all = embedding_like(count + query_count, dimensions, seed);
  const auto border = all.values.begin() + static_cast<std::ptrdiff_t>(count * dimensions);
  return {{dimensions, {all.values.begin(), border}}, {dimensions, {border, all.values.end()}}};
}

TEST_P(VectorContractTest, FindsWhatExactSearchFinds) {
  const auto [vectors, queries] = split(4000, 384, 1);
  const auto index = merged(vectors);
  EXPECT_EQ(index.view()->size(), 4000u);
  EXPECT_EQ(index.view()->report().kind, GetParam());
  EXPECT_EQ(index.view()->report().recent, 0u);
  EXPECT_GE(mean_recall(*index.view(), vectors, queries), kRecallLeast);
}

TEST_P(VectorContractTest, ReachesEachTarget) {
  const auto [vectors, queries] = split(6000, 64, 5, 150);
  const auto index = merged(vectors);
  for (const double target : {0.8, 0.95, 0.99}) {
    EXPECT_GE(mean_recall(*index.view(), vectors, queries, {}, nullptr, target), target) << target;
  }
}

TEST_P(VectorContractTest, ScoresAreInnerProducts) {
  const auto [vectors, queries] = split(500, 128, 2);
  const auto index = merged(vectors);
  const auto view = index.view();
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto exact = exact_search(vectors, queries[q], 500);
    std::vector<ChunkId> ids{-5, 99'999};
    std::vector<float> expected;
    for (const Hit& hit : exact) {
      ids.push_back(hit.id);
      expected.push_back(hit.score);
    }
    const auto scores = view->scores(queries[q], ids);
    EXPECT_FALSE(scores[0] || scores[1]);
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(*scores[i + 2], expected[i], 0.01);
    const auto hits = view->search({.vector = queries[q], .k = 5});
    for (std::size_t i = 0; i < hits.size(); ++i) {
      EXPECT_NEAR(hits[i].score, *view->scores(queries[q], std::array{hits[i].id})[0], 1e-6);
      EXPECT_GE(hits[i > 0 ? i - 1 : 0].score, hits[i].score);
    }
  }
}

TEST_P(VectorContractTest, FiltersFromEverythingToOneDocument) {
  const auto [vectors, queries] = split(4000, 128, 3);
  const auto index = merged(vectors);
  for (const std::size_t every : {1u, 2u, 5u, 10u, 30u, 100u, 1000u, 4000u}) {
    Selection selection;
    for (std::size_t i = 0; i < vectors.size(); i += every) selection.add(static_cast<ChunkId>(i));
    const auto allowed = [&](std::size_t i) { return i % every == 0; };
    EXPECT_GE(mean_recall(*index.view(), vectors, queries, allowed, &selection), kRecallLeast) << "one in " << every;
    const auto all = index.view()->search({.vector = queries[0], .k = 7000, .selection = &selection});
    for (const Hit& hit : all) EXPECT_EQ(hit.id % static_cast<ChunkId>(every), 0);
  }
}

TEST_P(VectorContractTest, FiltersThatAreFarFromTheQuery) {
  const auto [vectors, queries] = split(3000, 128, 4);
  const auto index = merged(vectors);
  for (std::size_t q = 0; q < 10; ++q) {
    const auto all = exact_search(vectors, queries[q], 3000);
    Selection selection;
    std::vector<bool> chosen(3000);
    for (std::size_t i = 2400; i < 3000; ++i) {
      selection.add(all[i].id);
      chosen[static_cast<std::size_t>(all[i].id)] = true;
    }
    const auto best = exact_search(vectors, queries[q], kWanted, [&](std::size_t i) { return chosen[i]; });
    const auto found = index.view()->search({.vector = queries[q], .k = kWanted, .selection = &selection});
    // So far away scores lie closer to each other than codes can tell.
    EXPECT_GE(recall_of(vectors, queries[q], found, best, 0.002), 0.9);
  }
}

// So many that a graph's cells are gone through: near one vector, that is to say near some queries and far from
// others, and away from it.
TEST_P(VectorContractTest, FiltersThatDependOnTheVector) {
  constexpr std::size_t kCount = 16'000;
  const auto [vectors, queries] = split(kCount, 64, 12);
  const auto index = merged(vectors);
  const auto around = exact_search(vectors, queries[0], kCount);
  const auto expect_found = [&](std::size_t first, std::size_t last) {
    Selection selection;
    std::vector<bool> chosen(kCount);
    for (std::size_t i = first; i < last; ++i) {
      selection.add(around[i].id);
      chosen[static_cast<std::size_t>(around[i].id)] = true;
    }
    const auto allowed = [&](std::size_t i) { return bool{chosen[i]}; };
    EXPECT_GE(mean_recall(*index.view(), vectors, queries, allowed, &selection), kRecallLeast) << first;
    // With little effort, as in larger indexes, a walk is cheaper than looking at each.
    EXPECT_GE(mean_recall(*index.view(), vectors, queries, allowed, &selection, kLowTarget), kLowRecall) << first;
  };
  expect_found(0, kCount / 4);
  expect_found(kCount / 2, kCount * 3 / 4);
  expect_found(kCount * 3 / 4, kCount);
  // So many that a walk is tried first.
  expect_found(kCount / 2, kCount);
}

TEST_P(VectorContractTest, FiltersThatPassOneOfTwoEqualVectors) {
  constexpr std::size_t kCount = 16'000;
  auto [vectors, queries] = split(kCount, 64, 13);
  const auto middle = vectors.values.begin() + static_cast<long>(kCount / 2 * 64);
  std::copy(vectors.values.begin(), middle, middle);
  const auto index = merged(vectors);
  // The first of some, the second of others.
  const auto allowed = [&](std::size_t i) { return i % 4 == i / (kCount / 2); };
  Selection selection;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (allowed(i)) selection.add(static_cast<ChunkId>(i));
  }
  EXPECT_GE(mean_recall(*index.view(), vectors, queries, allowed, &selection), kRecallLeast);
  EXPECT_GE(mean_recall(*index.view(), vectors, queries, allowed, &selection, kLowTarget), kLowRecall);
  for (const Hit& hit : index.view()->search({.vector = queries[0], .k = 50, .selection = &selection})) {
    EXPECT_TRUE(allowed(static_cast<std::size_t>(hit.id)));
  }
}

TEST_P(VectorContractTest, AnEmptySelectionFindsNothing) {
  const auto [vectors, queries] = split(300, 64, 5);
  const auto index = merged(vectors);
  const Selection none;
  EXPECT_TRUE(index.view()->search({.vector = queries[0], .selection = &none}).empty());
  Selection strangers;
  strangers.add(5'000);
  EXPECT_TRUE(index.view()->search({.vector = queries[0], .selection = &strangers}).empty());
}

TEST_P(VectorContractTest, AnEmptyIndexFindsNothing) {
  VectorIndex index(16, options());
  const std::vector<float> query(16, 0.25f);
  EXPECT_TRUE(index.view()->search({.vector = query}).empty());
  merge_now(index);
  EXPECT_TRUE(index.view()->search({.vector = query}).empty());
  EXPECT_EQ(index.view()->size(), 0u);
  EXPECT_FALSE(index.merge_due());
}

TEST_P(VectorContractTest, MoreWantedThanThereAre) {
  const auto [vectors, queries] = split(25, 96, 6);
  const auto index = merged(vectors);
  const auto hits = index.view()->search({.vector = queries[0], .k = 1'000'000});
  ASSERT_EQ(hits.size(), 25u);
  EXPECT_TRUE(index.view()->search({.vector = queries[0], .k = 0}).empty());
}

TEST_P(VectorContractTest, OneVector) {
  const auto vectors = embedding_like(1, 48, 7);
  const auto index = merged(vectors);
  const auto hits = index.view()->search({.vector = vectors[0]});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_NEAR(hits[0].score, 1, 0.01);
}

TEST_P(VectorContractTest, DuplicatesAndZeroVectors) {
  auto [vectors, queries] = split(1500, 128, 8);
  for (std::size_t i = 0; i < 1500; ++i) {
    if (i % 3 == 0) std::copy_n(vectors.values.begin(), 128, vectors.values.begin() + static_cast<long>(i * 128));
    if (i % 3 == 1) std::fill_n(vectors.values.begin() + static_cast<long>(i * 128), 128, 0.0f);
  }
  const auto index = merged(vectors);
  EXPECT_GE(mean_recall(*index.view(), vectors, queries), kRecallLeast);
  const auto hits = index.view()->search({.vector = vectors[0], .k = 20});
  ASSERT_EQ(hits.size(), 20u);
  for (const Hit& hit : hits) EXPECT_NEAR(hit.score, 1, 0.01);
  EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }));
}

TEST_P(VectorContractTest, AllAlike) {
  TestVectors vectors{32, std::vector<float>(500 * 32, 1.0f / std::sqrt(32.0f))};
  const auto index = merged(vectors);
  EXPECT_EQ(index.view()->search({.vector = vectors[0], .k = 500}).size(), 500u);
}

TEST_P(VectorContractTest, OneDimension) {
  TestVectors vectors{1, {}};
  for (int i = 0; i < 300; ++i) vectors.values.push_back(i % 2 == 0 ? 1.0f : -1.0f);
  const auto index = merged(vectors);
  const float query = 1;
  const auto hits = index.view()->search({.vector = {&query, 1}, .k = 150});
  ASSERT_EQ(hits.size(), 150u);
  for (const Hit& hit : hits) EXPECT_EQ(hit.id % 2, 0);
}

TEST_P(VectorContractTest, FewAndManyDimensions) {
  for (const std::size_t dimensions : {2u, 3u, 17u, 65u, 4096u}) {
    const auto [vectors, queries] = split(dimensions > 1000 ? 300 : 2000, dimensions, dimensions);
    const auto index = merged(vectors);
    // In two dimensions neighbours are closer than codes can tell; they must be near, though.
    if (dimensions >= 17) {
      EXPECT_GE(mean_recall(*index.view(), vectors, queries), kRecallLeast) << dimensions;
    }
    const auto best = exact_search(vectors, queries[0], 1);
    EXPECT_NEAR(index.view()->search({.vector = queries[0], .k = 1}).at(0).score, best[0].score, 0.01) << dimensions;
  }
}

TEST_P(VectorContractTest, RemovedOnesAreNotFound) {
  const auto [vectors, queries] = split(1000, 128, 9);
  auto index = merged(vectors);
  std::vector<ChunkId> removed;
  for (ChunkId id = 0; id < 1000; id += 2) removed.push_back(id);
  index.apply(removed, {});
  EXPECT_TRUE(index.merge_due());
  const auto odd = [](std::size_t i) { return i % 2 == 1; };
  EXPECT_GE(mean_recall(*index.view(), vectors, queries, odd), kRecallLeast);
  EXPECT_EQ(index.view()->search({.vector = queries[0], .k = 1000}).size(), 500u);
  EXPECT_EQ(index.view()->report().removed, 500u);
  EXPECT_FALSE(index.view()->contains(0));
  EXPECT_TRUE(index.view()->contains(1));
  const auto total = [&] { return index.view()->report().bytes + index.view()->report().file_bytes; };
  const auto before = total();
  merge_now(index);
  EXPECT_EQ(index.view()->report().removed, 0u);
  EXPECT_LT(total(), before * 6 / 10);
  EXPECT_GE(mean_recall(*index.view(), vectors, queries, odd), kRecallLeast);
}

TEST_P(VectorContractTest, ChurnKeepsSizeAndRecall) {
  constexpr std::size_t kCount = 1500;
  const auto [vectors, queries] = split(kCount, 128, 10);
  auto index = merged(vectors);
  // At the most effort, so that it is the index that is compared and not two calibrations.
  const double recall_before = mean_recall(*index.view(), vectors, queries, {}, nullptr, 0.999);
  const auto bytes_before = index.view()->report().bytes;
  std::mt19937 random(5);
  std::vector<ChunkId> order(kCount);
  for (std::size_t i = 0; i < kCount; ++i) order[i] = static_cast<ChunkId>(i);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    const auto half = std::span(order).first(kCount / 2);
    index.apply(half, {});
    if (index.merge_due()) merge_now(index);
    std::vector<VectorIndex::Addition> again;
    for (const ChunkId id : half) again.push_back({id, vectors[static_cast<std::size_t>(id)]});
    index.apply({}, again);
    if (round % 4 == 3) merge_now(index);
  }
  EXPECT_EQ(index.view()->size(), kCount);
  EXPECT_LE(static_cast<double>(index.view()->report().bytes), 1.1 * static_cast<double>(bytes_before));
  EXPECT_GE(mean_recall(*index.view(), vectors, queries, {}, nullptr, 0.999), recall_before - 0.005);
}

TEST_P(VectorContractTest, EqualSeedsGiveEqualAnswers) {
  const auto [vectors, queries] = split(1200, 128, 11);
  const auto a = merged(vectors);
  const auto b = merged(vectors);
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto left = a.view()->search({.vector = queries[q]});
    const auto right = b.view()->search({.vector = queries[q]});
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].id, right[i].id);
      EXPECT_EQ(left[i].score, right[i].score);
    }
  }
}

std::vector<VectorKind> registered_kinds() {
  std::vector<VectorKind> kinds;
  for (const auto& factory : vector_segment_factories()) kinds.push_back(factory.kind);
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(, VectorContractTest, testing::ValuesIn(registered_kinds()),
                         [](const auto& test) { return std::string(vector_kind_name(test.param)); });

}  // namespace
}  // namespace ragtime::index
