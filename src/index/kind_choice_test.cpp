#include "index/kind_choice.h"

#include <gmock/gmock.h>

namespace ragtime::index {
namespace {

VectorKind chosen(std::size_t vectors, std::size_t dimensions, std::size_t memory_bytes_max = 0,
                  std::optional<VectorKind> current = {}) {
  return choose_kind(vectors, dimensions, {.memory_bytes_max = memory_bytes_max}, current).kind;
}

TEST(KindChoice, GrowsFromExactOverScansToAGraph) {
  EXPECT_EQ(chosen(0, 384), VectorKind::flat);
  EXPECT_EQ(chosen(2'000, 384), VectorKind::flat);
  EXPECT_EQ(chosen(10'000, 384), VectorKind::rabitq);
  EXPECT_EQ(chosen(1'000'000, 384), VectorKind::rabitq);
  EXPECT_EQ(chosen(5'000'000, 384), VectorKind::hnsw);
  EXPECT_EQ(chosen(5'000'000, 1024), VectorKind::hnsw);
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

TEST(KindChoice, KeepsTheKindNearABorder) {
  std::size_t border = 1'000'000;
  while (chosen(border, 384) == VectorKind::rabitq) border += 1'000;
  EXPECT_EQ(chosen(border, 384, 0, VectorKind::rabitq), VectorKind::rabitq);
  EXPECT_EQ(chosen(border, 384, 0, VectorKind::hnsw), VectorKind::hnsw);
  EXPECT_EQ(chosen(border * 2, 384, 0, VectorKind::rabitq), VectorKind::hnsw);
}

TEST(KindChoice, GivesAReason) {
  EXPECT_THAT(choose_kind(1'000'000, 384, {}, {}).reason, testing::HasSubstr("1000000 vectors of 384 dimensions"));
  const auto fixed = choose_kind(10, 384, {.kind = VectorKind::hnsw}, {});
  EXPECT_EQ(fixed.kind, VectorKind::hnsw);
  EXPECT_THAT(fixed.reason, testing::HasSubstr("configuration"));
}

}  // namespace
}  // namespace ragtime::index
