#include "index/list_segment.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include <gtest/gtest.h>
#include <unistd.h>

#include "index/snapshot.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kCount = 3000;
constexpr std::size_t kDimensions = 100;

// Keeps columns, so that tests may change them before they are written.
class KeptColumns final : public SnapshotWriter {
 public:
  struct Kept {
    std::vector<std::byte> bytes;
    std::size_t element_size = 0;
  };
  using SnapshotWriter::column;
  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override {
    columns[std::string(name)] = {{bytes.begin(), bytes.end()}, element_size};
  }
  Result<void> finish() override { return {}; }

  template <class T>
  std::span<T> values(const std::string& name) {
    Kept& kept = columns.at(name);
    return {reinterpret_cast<T*>(kept.bytes.data()), kept.bytes.size() / sizeof(T)};
  }

  std::map<std::string, Kept> columns;
};

class ListSegmentTest : public testing::TestWithParam<VectorKind> {
 protected:
  ListSegmentTest() {
    std::iota(ids_.begin(), ids_.end(), ChunkId{100});
    folder_ = std::filesystem::temp_directory_path() / ("ragtime-lists-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~ListSegmentTest() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<VectorSegment> build(const VectorSegment* previous = nullptr) const {
    return build_from(vectors_.values, previous);
  }
  std::shared_ptr<VectorSegment> build_from(std::span<const float> values, const VectorSegment* previous) const {
    const MemoryRows rows(kDimensions, ids_, values);
    return vector_segment_factory(GetParam())->build(rows, {.seed = 3, .previous = previous, .files = folder_ / "files"});
  }

  Result<std::shared_ptr<VectorSegment>> load(const KeptColumns& kept) const {
    auto writer = SnapshotWriter::create(folder_ / "segment").value();
    for (const auto& [name, column] : kept.columns) writer->column(name, column.bytes, column.element_size);
    writer->finish().value();
    return load_segment(*SnapshotReader::open(folder_ / "segment").value(), "v.", kDimensions);
  }

  std::vector<Hit> search(const VectorSegment& segment, std::span<const float> query, std::size_t effort,
                          const Selection* selection = nullptr, std::size_t k = 10) const {
    const OrdinalFilter filter(segment.ids(), nullptr, selection);
    TopK best(k);
    segment.search({query, effort, &filter}, best);
    return std::move(best).take_sorted();
  }
  double recall(const VectorSegment& segment, std::size_t effort) const {
    double sum = 0;
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      auto hits = search(segment, queries_[q], effort);
      for (Hit& hit : hits) hit.id -= 100;
      sum += recall_of(vectors_, queries_[q], hits, exact_search(vectors_, queries_[q], 10));
    }
    return sum / static_cast<double>(queries_.size());
  }

  TestVectors all_ = embedding_like(kCount + 40, kDimensions, 12);
  TestVectors vectors_{kDimensions, {all_.values.begin(), all_.values.begin() + kCount* kDimensions}};
  TestVectors queries_{kDimensions, {all_.values.begin() + kCount * kDimensions, all_.values.end()}};
  std::vector<ChunkId> ids_ = std::vector<ChunkId>(kCount);
  std::filesystem::path folder_;
};

INSTANTIATE_TEST_SUITE_P(, ListSegmentTest, testing::Values(VectorKind::ivf, VectorKind::pq, VectorKind::ivf_pq),
                         [](const auto& test) { return std::string(vector_kind_name(test.param)); });

TEST_P(ListSegmentTest, TheMostEffortFindsNearlyAll) {
  const auto segment = build();
  EXPECT_GE(recall(*segment, segment->effort_range().most), 0.98);
}

TEST_P(ListSegmentTest, HitsAreOnceAndScoredAsByScores) {
  const auto segment = build();
  for (std::size_t q = 0; q < 5; ++q) {
    const auto hits = search(*segment, queries_[q], segment->effort_range().most, nullptr, kCount);
    ASSERT_EQ(hits.size(), kCount);
    std::vector<std::uint32_t> ordinals;
    for (const Hit& hit : hits) ordinals.push_back(static_cast<std::uint32_t>(hit.id - 100));
    std::vector<float> scores(kCount);
    segment->scores(queries_[q], ordinals, scores);
    for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(hits[i].score, scores[i]);
    std::sort(ordinals.begin(), ordinals.end());
    for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(ordinals[i], i);
  }
}

// Selections below and above the size that is looked up one by one.
TEST_P(ListSegmentTest, SelectionsBoundResults) {
  const auto segment = build();
  for (const std::size_t count : {1, 5, 900, 1500, 3000}) {
    Selection selection;
    for (std::size_t i = 0; i < count; ++i) selection.add(ids_[i]);
    const auto hits = search(*segment, queries_[0], 1, &selection, kCount);
    EXPECT_EQ(hits.size(), count);
    for (const Hit& hit : hits) EXPECT_TRUE(selection.contains(hit.id));
  }
}

TEST_P(ListSegmentTest, BuildingAnewOutOfItselfLosesNothing) {
  const auto first = build();
  std::vector<float> decoded(kCount * kDimensions);
  for (std::size_t i = 0; i < kCount; ++i) {
    first->reconstruct(i, std::span(decoded).subspan(i * kDimensions, kDimensions));
  }
  const auto second = build_from(decoded, first.get());
  std::vector<float> again(kDimensions);
  double error2 = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    second->reconstruct(i, again);
    for (std::size_t d = 0; d < kDimensions; ++d) {
      error2 = std::max<double>(error2, std::pow(again[d] - decoded[i * kDimensions + d], 2));
      EXPECT_NEAR(decoded[i * kDimensions + d], vectors_[i][d], 0.01);
    }
  }
  EXPECT_LT(std::sqrt(error2), 1e-3);
}

TEST_P(ListSegmentTest, SearchesAlikeAfterLoading) {
  const auto segment = build();
  segment->set_profile({{{0.5, 7}}, "because"});
  KeptColumns kept;
  save_segment(kept, "v.", *segment);
  const auto loaded = load(kept).value();
  EXPECT_EQ(loaded->kind(), GetParam());
  EXPECT_EQ(loaded->profile().reason, "because");
  EXPECT_EQ(loaded->effort_for(0.5), 7U);
  EXPECT_EQ(loaded->bytes(), segment->bytes());
  EXPECT_EQ(loaded->file_bytes(), segment->file_bytes());
  for (const std::size_t effort : {1, 64}) {
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      const auto left = search(*segment, queries_[q], effort);
      const auto right = search(*loaded, queries_[q], effort);
      ASSERT_EQ(left.size(), right.size());
      for (std::size_t i = 0; i < left.size(); ++i) {
        EXPECT_EQ(left[i].id, right[i].id);
        EXPECT_EQ(left[i].score, right[i].score);
      }
    }
  }
}

TEST_P(ListSegmentTest, HowFarListsReachIsMeasuredWhereThereAreSome) {
  KeptColumns kept;
  save_segment(kept, "v.", *build());
  EXPECT_EQ(std::isfinite(kept.values<float>("v.steps")[0]), GetParam() != VectorKind::pq);
}

TEST_P(ListSegmentTest, ProductCodesAloneAreResidentWhereThereIsADirectory) {
  const MemoryRows rows(kDimensions, ids_, vectors_.values);
  const auto resident = vector_segment_factory(GetParam())->build(rows, {.seed = 3});
  const auto segment = build();
  EXPECT_EQ(resident->file_bytes(), 0U);
  if (GetParam() == VectorKind::ivf) {
    EXPECT_EQ(segment->bytes(), resident->bytes());
    return;
  }
  // 128 padded dimensions: the 8-bit code and a scale.
  EXPECT_EQ(segment->file_bytes(), kCount * (128 + 4));
  EXPECT_EQ(segment->bytes() + segment->file_bytes(), resident->bytes());
  EXPECT_LT(segment->bytes(), kCount * 64);
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    const auto left = search(*segment, queries_[q], 64);
    const auto right = search(*resident, queries_[q], 64);
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i].score, right[i].score);
  }
}

TEST_P(ListSegmentTest, LoadingRefusesWhatDoesNotFit) {
  KeptColumns whole;
  save_segment(whole, "v.", *build());
  ASSERT_TRUE(load(whole));
  const std::map<std::string, std::function<void(KeptColumns&)>> damages{
      {"an ordinal too large", [](auto& kept) { kept.template values<std::uint32_t>("v.ordinals")[7] = kCount; }},
      {"an ordinal twice",
       [](auto& kept) {
         const auto ordinals = kept.template values<std::uint32_t>("v.ordinals");
         ordinals[7] = ordinals[8];
       }},
      {"a list too large", [](auto& kept) { kept.template values<std::uint32_t>("v.sizes")[0] += 1; }},
      {"sizes that wrap around", [](auto& kept) { kept.template values<std::uint32_t>("v.sizes")[0] = 0xffffffff; }},
      {"no lists", [](auto& kept) { kept.columns["v.sizes"].bytes.clear(); }},
      {"an id less", [](auto& kept) { kept.columns["v.ids"].bytes.resize((kCount - 1) * sizeof(ChunkId)); }},
  };
  for (const auto& [what, damage] : damages) {
    KeptColumns kept = whole;
    damage(kept);
    const auto loaded = load(kept);
    ASSERT_FALSE(loaded) << what;
    EXPECT_EQ(loaded.error().code, ErrorCode::corrupt) << what;
  }
}

TEST_P(ListSegmentTest, LoadingRefusesColumnsThatAreShortOrAbsent) {
  KeptColumns whole;
  save_segment(whole, "v.", *build());
  for (const auto& [name, column] : whole.columns) {
    KeptColumns kept = whole;
    kept.columns.erase(name);
    ASSERT_FALSE(load(kept)) << name;
    EXPECT_EQ(load(kept).error().code, ErrorCode::corrupt) << name;
    if (name == "v.reason" || name == "v.efforts" || column.bytes.empty()) continue;
    kept = whole;
    kept.columns[name].bytes.resize(column.bytes.size() - column.element_size);
    ASSERT_FALSE(load(kept)) << name;
    EXPECT_EQ(load(kept).error().code, ErrorCode::corrupt) << name;
  }
}

TEST_P(ListSegmentTest, VectorsThatAreNoNumbersLeadNowhere) {
  auto values = vectors_.values;
  for (std::size_t i = 0; i < values.size(); i += 997) values[i] = std::nanf("");
  for (std::size_t i = 5; i < values.size(); i += 1409) values[i] = std::numeric_limits<float>::infinity();
  const auto segment = build_from(values, nullptr);
  EXPECT_LE(search(*segment, queries_[0], segment->effort_range().most).size(), 10U);
}

// Where so many vectors are scanned in any case that any effort would do without a selection.
TEST(ListSegment, SelectionsNearAVectorAreFoundInSmallSegments) {
  constexpr std::size_t kMany = 10'000;
  constexpr std::size_t kQueries = 50;
  const auto all = embedding_like(kMany + kQueries, 64, 15);
  const TestVectors vectors{64, {all.values.begin(), all.values.begin() + kMany * 64}};
  const auto around = exact_search(vectors, all[kMany], kMany);
  for (const VectorKind kind : {VectorKind::ivf, VectorKind::ivf_pq}) {
    VectorIndex index(64, {.kind = kind});
    add_all(index, vectors);
    merge_now(index);
    for (const std::size_t share : {10, 20}) {
      Selection selection;
      std::vector<bool> chosen(kMany);
      for (std::size_t i = 0; i < kMany / share; ++i) {
        selection.add(around[i].id);
        chosen[static_cast<std::size_t>(around[i].id)] = true;
      }
      double sum = 0;
      for (std::size_t q = kMany; q < all.size(); ++q) {
        const auto found = index.view()->search({.vector = all[q], .selection = &selection, .recall_target = 0.95});
        const auto best = exact_search(vectors, all[q], 10, [&](std::size_t i) { return bool{chosen[i]}; });
        sum += recall_of(vectors, all[q], found, best);
      }
      EXPECT_GE(sum / kQueries, 0.95) << vector_kind_name(kind) << ", one of " << share;
    }
  }
}

TEST(ListSegment, MoreEffortFindsMore) {
  constexpr std::size_t kMany = 12'000;
  const auto vectors = embedding_like(kMany, 64, 13);
  std::vector<ChunkId> ids(kMany);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  const MemoryRows rows(64, ids, vectors.values);
  const auto segment = vector_segment_factory(VectorKind::ivf)->build(rows, {.seed = 3});
  const OrdinalFilter open(segment->ids(), nullptr, nullptr);
  const auto queries = embedding_like(40, 64, 14);
  std::vector<double> recalls;
  for (const std::size_t effort : {segment->effort_range().least, std::size_t{64}, segment->effort_range().most}) {
    double& sum = recalls.emplace_back(0);
    for (std::size_t q = 0; q < queries.size(); ++q) {
      TopK best(10);
      segment->search({queries[q], effort, &open}, best);
      sum += recall_of(vectors, queries[q], std::move(best).take_sorted(), exact_search(vectors, queries[q], 10)) / 40;
    }
  }
  EXPECT_LT(recalls[0], recalls[1]);
  EXPECT_LT(recalls[1], 1.0001);
  EXPECT_LE(recalls[1], recalls[2] + 0.01);
  EXPECT_GE(recalls[2], 0.98);
}

}  // namespace
}  // namespace ragtime::index
