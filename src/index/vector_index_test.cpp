#include "index/vector_index.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <unistd.h>

#include "index/vector_segment.h"
#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

using testing::ElementsAre;

std::vector<ChunkId> ids_of(const std::vector<Hit>& hits) {
  std::vector<ChunkId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

void add(VectorIndex& index, ChunkId id, const std::vector<float>& vector) {
  const VectorIndex::Addition addition{id, vector};
  index.apply({}, std::span(&addition, 1));
}
void remove(VectorIndex& index, ChunkId id) {
  index.apply(std::span(&id, 1), {});
}

TEST(VectorIndex, BestFirstAndTiesByLowerId) {
  VectorIndex index(2, {});
  add(index, 7, {1, 0});
  add(index, 3, {1, 0});
  add(index, 5, {0, 1});
  add(index, 4, {-1, 0});
  const std::vector<float> query{1, 0};
  EXPECT_THAT(ids_of(index.view()->search({.vector = query})), ElementsAre(3, 7, 5, 4));
  EXPECT_THAT(ids_of(index.view()->search({.vector = query, .k = 2})), ElementsAre(3, 7));
  merge_now(index);
  EXPECT_THAT(ids_of(index.view()->search({.vector = query})), ElementsAre(3, 7, 5, 4));
}

TEST(VectorIndex, ChangesShowInTheNextViewAndNotInEarlierOnes) {
  VectorIndex index(2, {});
  const std::vector<float> query{1, 0};
  const auto empty = index.view();
  add(index, 1, {1, 0});
  const auto one = index.view();
  remove(index, 1);
  add(index, 2, {0, 1});
  EXPECT_EQ(empty->size(), 0u);
  EXPECT_THAT(ids_of(one->search({.vector = query})), ElementsAre(1));
  EXPECT_TRUE(one->contains(1));
  EXPECT_THAT(ids_of(index.view()->search({.vector = query})), ElementsAre(2));
  EXPECT_FALSE(index.view()->contains(1));
}

TEST(VectorIndex, AnIdMayComeBackWithAnotherVector) {
  VectorIndex index(2, {});
  add(index, 1, {1, 0});
  merge_now(index);
  const ChunkId id = 1;
  const std::vector<float> vector{0, 1};
  const VectorIndex::Addition addition{1, vector};
  index.apply(std::span(&id, 1), std::span(&addition, 1));
  const auto hits = index.view()->search({.vector = vector});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_FLOAT_EQ(hits[0].score, 1);
  merge_now(index);
  EXPECT_FLOAT_EQ(*index.view()->scores(vector, std::array{id})[0], 1);
}

TEST(VectorIndex, AMergeThatIsAskedToStopLeavesEverythingAsItIs) {
  const auto vectors = embedding_like(100, 64, 3);
  VectorIndex index(64, {.kind = VectorKind::hnsw});
  for (ChunkId id = 0; id < 100; ++id) add(index, id, {vectors[id].begin(), vectors[id].end()});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(index.merge(*index.view(), stop.get_token()), nullptr);
  EXPECT_THAT(ids_of(index.view()->search({.vector = vectors[7], .k = 1})), ElementsAre(7));
  merge_now(index);
  EXPECT_EQ(index.view()->report().recent, 0u);
}

TEST(VectorIndex, ChangesDuringAMergeAreCarriedOver) {
  for (const VectorKind kind : {VectorKind::flat, VectorKind::rabitq}) {
    const auto vectors = embedding_like(60, 64, 3);
    VectorIndex index(64, {.kind = kind});
    for (ChunkId id = 0; id < 20; ++id) add(index, id, {vectors[id].begin(), vectors[id].end()});
    merge_now(index);
    for (ChunkId id = 20; id < 40; ++id) add(index, id, {vectors[id].begin(), vectors[id].end()});
    remove(index, 5);
    const auto merged = index.merge(*index.view());
    remove(index, 6);   // In the old base.
    remove(index, 25);  // Recent when the merge began.
    remove(index, 26);
    add(index, 26, {vectors[50].begin(), vectors[50].end()});  // Replaced.
    for (ChunkId id = 40; id < 45; ++id) add(index, id, {vectors[id].begin(), vectors[id].end()});
    remove(index, 41);  // Recent since.
    index.adopt(merged);
    const auto view = index.view();
    std::vector<ChunkId> expected;
    for (ChunkId id = 0; id < 45; ++id) {
      const bool is_gone = id == 5 || id == 6 || id == 25 || id == 41;
      EXPECT_EQ(view->contains(id), !is_gone) << id;
      if (!is_gone) expected.push_back(id);
    }
    EXPECT_EQ(view->size(), expected.size());
    auto found = ids_of(view->search({.vector = vectors[0], .k = 100}));
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, expected);
    EXPECT_NEAR(*view->scores(vectors[50], std::array{ChunkId{26}})[0], 1, 1e-5);
  }
}

TEST(VectorIndex, AMergeThatAnotherHasOvertakenIsIgnored) {
  VectorIndex index(2, {});
  add(index, 1, {1, 0});
  const auto slow = index.merge(*index.view());
  add(index, 2, {1, 0});
  merge_now(index);
  index.adopt(slow);
  EXPECT_EQ(index.view()->size(), 2u);
  EXPECT_EQ(index.base_ids().size(), 2u);
}

TEST(VectorIndex, MergeIsDueAfterEnoughChange) {
  const auto vectors = embedding_like(5000, 8, 4);
  VectorIndex index(8, {.kind = VectorKind::flat});
  EXPECT_FALSE(index.merge_due());
  add_all(index, vectors);
  EXPECT_TRUE(index.merge_due());
  merge_now(index);
  EXPECT_FALSE(index.merge_due());
  std::vector<ChunkId> removed;
  for (ChunkId id = 0; id < 501; ++id) removed.push_back(id);
  index.apply(std::span(removed).first(500), {});
  EXPECT_FALSE(index.merge_due());
  index.apply(removed, {});
  EXPECT_TRUE(index.merge_due());
}

TEST(VectorIndex, AScanIsTheFirstStepToAGraph) {
  const auto vectors = embedding_like(3000, 64, 15);
  VectorIndex index(64, {.scan_seconds_max = 1e-9});
  add_all(index, vectors);
  merge_now(index);
  EXPECT_EQ(index.view()->report().kind, VectorKind::rabitq4);
  EXPECT_TRUE(index.merge_due());
  merge_now(index);
  EXPECT_EQ(index.view()->report().kind, VectorKind::hnsw);
  EXPECT_FALSE(index.merge_due());
}

TEST(VectorIndex, MemoryReturns) {
  const auto vectors = embedding_like(3000, 128, 5);
  VectorIndex index(128, {});
  add_all(index, vectors);
  const auto full = index.view()->report().bytes;
  EXPECT_GE(full, 3000u * 128 * 4);
  std::vector<ChunkId> removed;
  for (ChunkId id = 0; id < 3000; ++id) removed.push_back(id);
  index.apply(removed, {});
  EXPECT_EQ(index.view()->size(), 0u);
  EXPECT_LT(index.view()->report().bytes, full / 10);
}

TEST(VectorIndex, AgreesWithAModelUnderRandomChanges) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto vectors = embedding_like(400, 24, seed);
  VectorIndex index(24, {.kind = VectorKind::flat});
  std::map<ChunkId, std::size_t> model;
  std::shared_ptr<const VectorSegment> merged;
  for (int step = 0; step < 3000; ++step) {
    const auto id = static_cast<ChunkId>(random() % 2000);
    if (model.erase(id) > 0) {
      remove(index, id);
    } else {
      model[id] = random() % 400;
      add(index, id, {vectors[model[id]].begin(), vectors[model[id]].end()});
    }
    if (step % 170 == 0) merged = index.merge(*index.view());
    if (step % 170 == 90) index.adopt(merged);
  }
  const auto view = index.view();
  ASSERT_EQ(view->size(), model.size());
  for (const auto& [id, number] : model) {
    const auto score = view->scores(vectors[number], std::array{id})[0];
    ASSERT_TRUE(score.has_value());
    EXPECT_NEAR(*score, 1, 1e-5);
  }
  EXPECT_EQ(view->search({.vector = vectors[0], .k = 5000}).size(), model.size());
}

// Made for the thread sanitizer: readers search and read views while a writer adds, removes, merges and adopts.
TEST(VectorIndex, ReadersBesideAWriter) {
  const auto vectors = embedding_like(2000, 64, 6);
  VectorIndex index(64, {.kind = VectorKind::rabitq4});
  std::atomic<bool> is_done{false};
  std::atomic<std::size_t> searches{0};
  const auto read = [&](std::size_t from) {
    for (std::size_t i = from; !is_done || i < from + 5; ++i) {
      const auto view = index.view();
      const auto hits = view->search({.vector = vectors[i % 2000]});
      EXPECT_EQ(hits.size(), std::min<std::size_t>(10, view->size()));
      for (const Hit& hit : hits) EXPECT_TRUE(view->contains(hit.id));
      ++searches;
    }
  };
  std::vector<std::thread> readers;
  for (const std::size_t from : {0u, 700u}) readers.emplace_back(read, from);
  std::shared_ptr<const VectorSegment> merged;
  for (ChunkId id = 0; id < 2000; ++id) {
    add(index, id, {vectors[id].begin(), vectors[id].end()});
    if (id % 3 == 0) remove(index, id / 2);
    if (id % 400 == 100) merged = index.merge(*index.view());
    if (id % 400 == 300) index.adopt(merged);
  }
  is_done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_GT(searches, 0u);
}

TEST(VectorKinds, Names) {
  EXPECT_EQ(*parse_vector_kind("auto"), std::nullopt);
  EXPECT_EQ(*parse_vector_kind("rabitq4"), VectorKind::rabitq4);
  const auto unknown = parse_vector_kind("hsnw");
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(unknown.error().message, testing::HasSubstr("rabitq4"));
}

TEST(VectorIndexDeathTest, WrongSizesAndDoubleIdsAreDefects) {
  VectorIndex index(2, {});
  add(index, 1, {1, 0});
  EXPECT_DEATH(add(index, 2, {1}), "");
  EXPECT_DEATH(add(index, 1, {1, 0}), "");
  merge_now(index);
  EXPECT_DEATH(add(index, 1, {1, 0}), "");
  EXPECT_DEATH(index.view()->search({.vector = std::vector<float>{1}}), "");
}

// More than a block of them, so that codes decide which are compared.
TEST(VectorIndex, ManyRecentOnesAreFoundAsExactSearchFinds) {
  constexpr std::size_t kCount = 4'000;
  const auto all = embedding_like(kCount + 30, 192, 23);
  const TestVectors vectors{192, {all.values.begin(), all.values.begin() + kCount * 192}};
  VectorIndex index(192, {});
  add_all(index, vectors);
  const std::vector<ChunkId> removed{5, 1'030, 2'047, 3'999};
  index.apply(removed, {});
  Selection odd;
  for (ChunkId id = 1; id < static_cast<ChunkId>(kCount); id += 2) odd.add(id);
  const auto is_living = [&](std::size_t i) {
    return std::find(removed.begin(), removed.end(), static_cast<ChunkId>(i)) == removed.end();
  };
  for (std::size_t q = kCount; q < all.size(); ++q) {
    const auto found = index.view()->search({.vector = all[q]});
    const auto best = exact_search(vectors, all[q], 10, is_living);
    ASSERT_EQ(found.size(), best.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i].score, best[i].score, 1e-5) << q;
    const auto selected = index.view()->search({.vector = all[q], .selection = &odd});
    const auto best_odd = exact_search(vectors, all[q], 10, [&](std::size_t i) { return i % 2 == 1 && is_living(i); });
    for (std::size_t i = 0; i < selected.size(); ++i) EXPECT_NEAR(selected[i].score, best_odd[i].score, 1e-5) << q;
  }
  EXPECT_EQ(index.view()->report().recent, kCount - removed.size());
}

// Of mappings whose file lies in a folder: sizes and what of them is mapped now, in KiB.
struct MappedFiles {
  std::size_t size = 0;
  std::size_t resident = 0;
};

MappedFiles mapped_files(const std::filesystem::path& folder) {
  MappedFiles files;
  bool is_ours = false;
  std::ifstream maps("/proc/self/smaps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" kB") == std::string::npos) is_ours = line.find(folder.string() + "/") != std::string::npos;
    if (is_ours && line.starts_with("Size:")) files.size += std::stoul(line.substr(5));
    if (is_ours && line.starts_with("Rss:")) files.resident += std::stoul(line.substr(4));
  }
  return files;
}

TEST(VectorIndex, WhatCalibrationReadOfAFileIsNotResidentAfterAMerge) {
  const auto folder = std::filesystem::temp_directory_path() / ("ragtime-merge-" + std::to_string(::getpid()));
  const auto vectors = embedding_like(3000, 100, 12);
  VectorIndex index(100, {.kind = VectorKind::ivf_pq, .files = folder});
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    add(index, static_cast<ChunkId>(i), {vectors[i].begin(), vectors[i].end()});
  }
  merge_now(index);
  const auto merged = mapped_files(folder);
  EXPECT_GE(merged.size * 1024, index.view()->report().file_bytes);
  // The last page may be shared with what follows, and stays.
  EXPECT_LE(merged.resident * 1024, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  index.view()->search({.vector = vectors[0]});
  EXPECT_GT(mapped_files(folder).resident, merged.resident);
  std::filesystem::remove_all(folder);
}

// Of few that are selected the codes are looked at one by one; beyond 2³² without bits for 65,536 ids.
TEST(VectorIndex, FewSelectedOfManyRecentOnes) {
  constexpr std::size_t kCount = 3'000;
  constexpr ChunkId kOffset = (ChunkId{1} << 32) - 1'500;
  const auto vectors = embedding_like(kCount, 192, 29);
  VectorIndex index(192, {});
  std::vector<VectorIndex::Addition> additions;
  for (std::size_t i = 0; i < kCount; ++i) additions.push_back({kOffset + static_cast<ChunkId>(i), vectors[i]});
  index.apply({}, additions);
  remove(index, kOffset + 60);
  for (const std::size_t every : {15u, 60u, 1'000u}) {
    Selection selection;
    for (std::size_t i = 0; i < kCount; i += every) selection.add(kOffset + static_cast<ChunkId>(i));
    for (std::size_t q = 0; q < 20; ++q) {
      const auto best = exact_search(vectors, vectors[q], 10, [&](std::size_t i) { return i % every == 0 && i != 60; });
      const auto found = index.view()->search({.vector = vectors[q], .selection = &selection});
      ASSERT_EQ(found.size(), best.size());
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].id, kOffset + best[i].id) << every << " " << q;
    }
  }
}

}  // namespace
}  // namespace ragtime::index
