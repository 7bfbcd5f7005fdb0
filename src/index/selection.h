// Selection: the chunks that a search may return, as a compressed bitmap of their ids.
//
// Thread safety: const members may be called from any threads together; building belongs to one thread.
#pragma once

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

  // Preconditions of all: ids are not negative.
  void add(ChunkId id) { ids_.add(static_cast<std::uint64_t>(id)); }
  void add(std::span<const ChunkId> ids);
  // Both arms and all stages ask this for candidates only: a few nanoseconds each.
  bool contains(ChunkId id) const { return ids_.contains(static_cast<std::uint64_t>(id)); }

  std::size_t size() const { return ids_.cardinality(); }
  bool empty() const { return ids_.isEmpty(); }
  // Ascending.
  std::vector<ChunkId> ids() const;

 private:
  roaring::Roaring64Map ids_;
};

}  // namespace ragtime::index
