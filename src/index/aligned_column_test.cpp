#include "index/aligned_column.h"

#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

TEST(AlignedColumn, OwnedMemoryIsZeroAndAligned) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20}) {
    AlignedColumn<float> column(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(column.data()) % 64, 0u);
    EXPECT_EQ(std::accumulate(column.begin(), column.end(), 0.0f), 0.0f);
    column[size - 1] = 3;
    EXPECT_EQ(column.back(), 3.0f);
    EXPECT_EQ(column.bytes(), size * sizeof(float));
  }
}

TEST(AlignedColumn, AVectorIsTakenOverWhereItLies) {
  std::vector<std::uint32_t> values{1, 2, 3};
  const auto* place = values.data();
  const AlignedColumn<std::uint32_t> column(std::move(values));
  EXPECT_EQ(column.data(), place);
  EXPECT_EQ(std::vector(column.begin(), column.end()), (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST(AlignedColumn, SharedMemoryLivesAsLongAsAColumn) {
  auto owner = std::make_shared<const std::vector<int>>(std::vector<int>{4, 5});
  const std::weak_ptr<const std::vector<int>> watch = owner;
  {
    AlignedColumn<int> first(std::span<const int>(*owner), owner);
    owner.reset();
    const AlignedColumn<int> moved = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT: what was moved from is empty by contract.
    EXPECT_TRUE(moved.is_shared());
    EXPECT_EQ(moved[1], 5);
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace ragtime::index
