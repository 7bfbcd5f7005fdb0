#include "index/selection.h"

namespace ragtime::index {

void Selection::add(std::span<const ChunkId> ids) {
  std::vector<std::uint64_t> values(ids.begin(), ids.end());
  ids_.addMany(values.size(), values.data());
}

std::vector<ChunkId> Selection::ids() const {
  std::vector<std::uint64_t> values(ids_.cardinality());
  ids_.toUint64Array(values.data());
  return {values.begin(), values.end()};
}

}  // namespace ragtime::index
