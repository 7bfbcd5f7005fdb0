#include "index/kind_choice.h"

#include <gmock/gmock.h>

namespace ragtime::index {
namespace {

// As of a store that was merged before, unless `current` says otherwise.
VectorKind chosen(std::size_t vectors, std::size_t dimensions, std::size_t memory_bytes_max = 0,
                  std::optional<VectorKind> current = VectorKind::flat, const char* files = "") {
  const VectorIndexOptions options{.memory_bytes_max = memory_bytes_max, .files = files};
  return choose_kind(vectors, dimensions, options, current).kind;
}

TEST(KindChoice, GrowsFromExactOverScansToAGraph) {
  EXPECT_EQ(chosen(0, 384), VectorKind::flat);
  EXPECT_EQ(chosen(2'000, 384), VectorKind::flat);
  EXPECT_EQ(chosen(10'000, 384), VectorKind::rabitq);
  EXPECT_EQ(chosen(100'000, 384), VectorKind::rabitq);
  EXPECT_EQ(chosen(150'000, 384), VectorKind::hnsw);
  EXPECT_EQ(chosen(100'000, 1024), VectorKind::hnsw);
  EXPECT_EQ(chosen(5'000'000, 1024), VectorKind::hnsw);
}

TEST(KindChoice, BeforeTheFirstMergeAScanIsThereSooner) {
  const auto first = choose_kind(1'000'000, 384, {}, {});
  EXPECT_EQ(first.kind, VectorKind::rabitq);
  EXPECT_THAT(first.reason, testing::HasSubstr("until a graph"));
  EXPECT_EQ(choose_kind(1'000'000, 384, {}, first.kind).kind, VectorKind::hnsw);
}

TEST(KindChoice, FewDimensionsAreNotCodedInOneBit) {
  for (const std::size_t dimensions : {1u, 16u, 64u, 128u}) {
    for (std::size_t vectors = 1; vectors < 1'000'000'000; vectors *= 10) {
      EXPECT_NE(chosen(vectors, dimensions), VectorKind::rabitq) << vectors << " of " << dimensions;
    }
  }
}

TEST(KindChoice, StaysWithinMemoryAsFarAsCodesAllow) {
  EXPECT_EQ(chosen(2'000, 384, 1'000'000), VectorKind::rabitq);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 500), VectorKind::ivf);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 420), VectorKind::rabitq4);
}

TEST(KindChoice, WithADirectoryProductCodesAloneAreInMemory) {
  const auto none = VectorKind::flat;
  EXPECT_EQ(chosen(5'000'000, 384, 0, none, "/files"), VectorKind::hnsw);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 500, none, "/files"), VectorKind::ivf);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 420, none, "/files"), VectorKind::ivf_pq);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 420, {}, "/files"), VectorKind::ivf_pq);
  EXPECT_EQ(chosen(5'000'000, 384, 5'000'000ull * 420, VectorKind::ivf_pq, "/files"), VectorKind::ivf_pq);
  EXPECT_EQ(chosen(10'000, 384, 10'000 * 200, none, "/files"), VectorKind::ivf_pq);
}

TEST(KindChoice, KeepsTheKindNearABorder) {
  std::size_t border = 50'000;
  while (chosen(border, 384) == VectorKind::rabitq) border += 500;
  EXPECT_EQ(chosen(border, 384, 0, VectorKind::rabitq), VectorKind::rabitq);
  EXPECT_EQ(chosen(border * 5 / 4 + 1000, 384, 0, VectorKind::rabitq), VectorKind::hnsw);
  EXPECT_EQ(chosen(border, 384, 0, VectorKind::hnsw), VectorKind::hnsw);
  EXPECT_EQ(chosen(border * 4 / 5 + 1000, 384, 0, VectorKind::hnsw), VectorKind::hnsw);
  EXPECT_EQ(chosen(border * 3 / 4, 384, 0, VectorKind::hnsw), VectorKind::rabitq);
}

// A walk of sizes, as of a store that grows and shrinks by less than a tenth, changes the kind once at most.
TEST(KindChoice, SizesThatSwingDoNotChangeItAgain) {
  for (std::size_t middle = 60'000; middle < 250'000; middle += 1'000) {
    std::size_t changes = 0;
    auto current = VectorKind::rabitq;
    for (std::size_t step = 0; step < 20; ++step) {
      const auto next = chosen(step % 2 == 0 ? middle * 110 / 100 : middle * 90 / 100, 384, 0, current);
      changes += next != current;
      current = next;
    }
    EXPECT_LE(changes, 1u) << middle;
  }
}

TEST(KindChoice, GivesAReason) {
  EXPECT_THAT(choose_kind(1'000'000, 384, {}, {}).reason, testing::HasSubstr("1000000 vectors of 384 dimensions"));
  const auto fixed = choose_kind(10, 384, {.kind = VectorKind::hnsw}, {});
  EXPECT_EQ(fixed.kind, VectorKind::hnsw);
  EXPECT_THAT(fixed.reason, testing::HasSubstr("configuration"));
}

}  // namespace
}  // namespace ragtime::index
