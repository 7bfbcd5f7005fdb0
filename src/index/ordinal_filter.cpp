#include "index/ordinal_filter.h"

namespace ragtime::index {
namespace {

// The first position from `from` on whose id is not less than `id`: doubling steps, as the ids sought ascend too.
std::size_t gallop(std::span<const ChunkId> ids, std::size_t from, ChunkId id) {
  std::size_t step = 1;
  std::size_t low = from;
  while (from + step < ids.size() && ids[from + step] < id) {
    low = from + step;
    step *= 2;
  }
  const std::size_t high = std::min(from + step + 1, ids.size());
  return static_cast<std::size_t>(std::lower_bound(ids.begin() + static_cast<std::ptrdiff_t>(low),
                                                   ids.begin() + static_cast<std::ptrdiff_t>(high), id) -
                                  ids.begin());
}

}  // namespace

std::vector<std::uint32_t> OrdinalFilter::list() const {
  std::vector<std::uint32_t> ordinals;
  ordinals.reserve(matches_max());
  const auto keep_living = [&](std::size_t ordinal) {
    if (removed_ == nullptr || !removed_->contains(ordinal)) ordinals.push_back(static_cast<std::uint32_t>(ordinal));
  };
  if (selection_ == nullptr) {
    for (std::size_t ordinal = 0; ordinal < ids_.size(); ++ordinal) keep_living(ordinal);
    return ordinals;
  }
  if (is_dense()) {
    for (const ChunkId id : selection_->ids()) {
      if (id > ids_.back()) break;
      if (id >= ids_.front()) keep_living(static_cast<std::size_t>(id - ids_.front()));
    }
    return ordinals;
  }
  std::size_t at = 0;
  for (const ChunkId id : selection_->ids()) {
    at = gallop(ids_, at, id);
    if (at == ids_.size()) break;
    if (ids_[at] == id) keep_living(at);
  }
  return ordinals;
}

}  // namespace ragtime::index
