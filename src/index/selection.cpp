#include "index/selection.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime::index {

void Selection::add(ChunkId id) {
  RAGTIME_CHECK(id >= 0);
  const auto value = static_cast<std::uint64_t>(id);
  if (value >> 32 == 0) {
    low_.add(static_cast<std::uint32_t>(value));
  } else {
    high_.add(value);
  }
}

void Selection::add(std::span<const ChunkId> ids) {
  std::vector<std::uint32_t> low;
  low.reserve(ids.size());
  for (const ChunkId id : ids) {
    if (id >= 0 && id >> 32 == 0) {
      low.push_back(static_cast<std::uint32_t>(id));
    } else {
      add(id);
    }
  }
  low_.addMany(low.size(), low.data());
}

void Selection::add_range(ChunkId first, ChunkId last) {
  RAGTIME_CHECK(first >= 0);
  constexpr ChunkId kLowEnd = ChunkId{1} << 32;
  const ChunkId low_end = std::min(last + 1, kLowEnd);
  if (first < low_end) low_.addRange(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(low_end));
  for (ChunkId id = std::max(first, kLowEnd); id <= last; ++id) high_.add(static_cast<std::uint64_t>(id));
}

std::vector<ChunkId> Selection::ids() const {
  std::vector<ChunkId> ids;
  ids.reserve(size());
  for (const std::uint32_t id : low_) ids.push_back(id);
  for (const std::uint64_t id : high_) ids.push_back(static_cast<ChunkId>(id));
  return ids;
}

}  // namespace ragtime::index
