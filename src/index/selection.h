// Selection: the chunks that a search may return, as a compressed bitmap of their ids.
//
// Roaring bitmaps: arrays, bits or runs for each 65,536 ids, whichever is smallest. Ids up to 2³² have a bitmap of
// their own, as they are practically all. Thread safety: const members may be called from any threads together;
// building belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <roaring/roaring64map.hh>

#include "index/hit.h"

namespace ragtime::index {

class Selection {
 public:
  Selection() = default;

  // Preconditions of all: ids are not negative. Cheapest in ascending order.
  void add(ChunkId id);
  void add(std::span<const ChunkId> ids);
  // Both ends included.
  void add_range(ChunkId first, ChunkId last);
  // Both arms and all stages ask this for candidates only: some 10 ns each.
  bool contains(ChunkId id) const {
    const auto value = static_cast<std::uint64_t>(id);
    return value >> 32 == 0 ? low_.contains(static_cast<std::uint32_t>(value)) : high_.contains(value);
  }

  std::size_t size() const { return low_.cardinality() + high_.cardinality(); }
  bool empty() const { return low_.isEmpty() && high_.isEmpty(); }
  // Ascending.
  std::vector<ChunkId> ids() const;

  // Ids number · kBlockIds … that many more, as bits.
  static constexpr std::size_t kBlockIds = 65'536;
  using Block = std::array<std::uint64_t, kBlockIds / 64>;
  // Null where none is a member. Otherwise the bits where they lie, until the selection changes, or in `room`: some
  // nanosecond for each member, if so. Precondition: number < 65,536.
  const std::uint64_t* block(std::size_t number, Block& room) const;

 private:
  Roaring low_;
  Roaring64Map high_;  // Only ids from 2³² on.
};

}  // namespace ragtime::index
