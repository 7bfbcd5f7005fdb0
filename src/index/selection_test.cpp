#include "index/selection.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

TEST(Selection, IsEmptyAtFirst) {
  const Selection selection;
  EXPECT_TRUE(selection.empty());
  EXPECT_EQ(selection.size(), 0U);
  EXPECT_TRUE(selection.ids().empty());
  EXPECT_FALSE(selection.contains(0));
  EXPECT_FALSE(selection.contains(std::int64_t{1} << 40));
}

TEST(Selection, HoldsTheBordersOfItsTwoBitmaps) {
  const std::vector<ChunkId> ids{0, (std::int64_t{1} << 32) - 1, std::int64_t{1} << 32, INT64_MAX};
  Selection selection;
  for (const ChunkId id : ids) selection.add(id);
  EXPECT_EQ(selection.ids(), ids);
  EXPECT_EQ(selection.size(), ids.size());
  for (const ChunkId id : ids) EXPECT_TRUE(selection.contains(id));
  EXPECT_FALSE(selection.contains(1));
  EXPECT_FALSE(selection.contains((std::int64_t{1} << 32) + 1));
}

TEST(Selection, EqualsASet) {
  constexpr std::uint32_t kSeed = 7;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  for (const int bits : {10, 20, 31, 40, 62}) {
    std::vector<ChunkId> ids(5000);
    for (ChunkId& id : ids) id = static_cast<ChunkId>(random() >> (64 - bits));
    const std::set<ChunkId> expected(ids.begin(), ids.end());
    Selection selection;
    selection.add(ids);
    EXPECT_EQ(selection.ids(), std::vector<ChunkId>(expected.begin(), expected.end()));
    EXPECT_EQ(selection.size(), expected.size());
    for (int i = 0; i < 5000; ++i) {
      const auto id = static_cast<ChunkId>(random() >> (64 - bits));
      EXPECT_EQ(selection.contains(id), expected.contains(id));
    }
  }
}

TEST(Selection, CopiesAreIndependent) {
  Selection selection;
  selection.add(1);
  Selection copy = selection;
  copy.add(2);
  EXPECT_EQ(selection.ids(), std::vector<ChunkId>{1});
  EXPECT_EQ(copy.ids(), (std::vector<ChunkId>{1, 2}));
}

}  // namespace
}  // namespace ragtime::index
