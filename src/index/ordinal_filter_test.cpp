#include "index/ordinal_filter.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

constexpr std::uint32_t kSeed = 11;

// Ids with gaps: of each `kept_of`, all but one in so many; 1 keeps all.
std::vector<ChunkId> ids_with_gaps(std::size_t count, std::size_t left_out, std::mt19937& random) {
  std::vector<ChunkId> ids;
  for (ChunkId id = 1000; ids.size() < count; ++id) {
    if (left_out == 0 || random() % left_out != 0) ids.push_back(id);
  }
  return ids;
}

void expect_marks(const OrdinalFilter& filter, std::size_t size) {
  std::vector<std::uint64_t> bits;
  const auto count = filter.mark(bits);
  ASSERT_TRUE(count);
  std::vector<std::uint32_t> allowed;
  for (std::size_t ordinal = 0; ordinal < size; ++ordinal) {
    ASSERT_EQ(bits[ordinal / 64] >> ordinal % 64 & 1, filter.allows(ordinal) ? 1u : 0u) << ordinal;
    if (filter.allows(ordinal)) allowed.push_back(static_cast<std::uint32_t>(ordinal));
  }
  EXPECT_EQ(*count, allowed.size());
  EXPECT_EQ(OrdinalFilter::list(bits, *count), allowed);
  EXPECT_EQ(filter.list(), allowed);
}

TEST(OrdinalFilter, MarksWhatItAllows) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const std::size_t left_out : {0u, 2u, 50u}) {
    const auto ids = ids_with_gaps(150'000, left_out, random);
    const auto words = OrdinalFilter::words_of(ids);
    ASSERT_FALSE(words.empty());
    RemovedSet removed;
    removed.add(std::vector<std::size_t>{0, 63, 64, 70'000, 149'999});
    for (const std::uint32_t every : {1u, 2u, 9u, 40u, 3000u}) {
      Selection selection;
      for (ChunkId id = 0; id < ids.back() + 100; ++id) {
        if (random() % every == 0) selection.add(id);
      }
      selection.add(ChunkId{1} << 40);
      expect_marks(OrdinalFilter(ids, nullptr, &selection, words), ids.size());
      expect_marks(OrdinalFilter(ids, &removed, &selection, words), ids.size());
    }
    Selection runs;  // Kept as such.
    runs.add_range(1'500, 60'000);
    runs.add_range(65'530, 140'000);
    expect_marks(OrdinalFilter(ids, &removed, &runs, words), ids.size());
    expect_marks(OrdinalFilter(ids, &removed, nullptr, words), ids.size());
  }
}

TEST(OrdinalFilter, DoesNotMarkWhereIdsLieScattered) {
  std::vector<ChunkId> ids;
  for (ChunkId id = 0; id < 1000; ++id) ids.push_back(id * 64);
  EXPECT_TRUE(OrdinalFilter::words_of(ids).empty());
  EXPECT_TRUE(OrdinalFilter::words_of({}).empty());
  const std::vector<ChunkId> high{1, 2, ChunkId{1} << 32};
  EXPECT_TRUE(OrdinalFilter::words_of(high).empty());
  Selection selection;
  selection.add(128);
  std::vector<std::uint64_t> bits;
  const OrdinalFilter filter(ids, nullptr, &selection);
  EXPECT_FALSE(filter.mark(bits));
  EXPECT_EQ(filter.list(), std::vector<std::uint32_t>{2});
}

}  // namespace
}  // namespace ragtime::index
