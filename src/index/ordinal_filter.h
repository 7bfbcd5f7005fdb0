// OrdinalFilter: which vectors of a segment a search may return: those not removed and, if there is one, in a
// selection.
//
// Lives for one search and borrows what it is made of. Thread safety: immutable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "index/hit.h"
#include "index/removed_set.h"
#include "index/selection.h"
#include "index/vector_kernels.h"

namespace ragtime::index {

class OrdinalFilter {
 public:
  // `ids` and `id_words` are the segment's; those may be empty. Either pointer may be null.
  OrdinalFilter(std::span<const ChunkId> ids, const RemovedSet* removed, const Selection* selection,
                std::span<const IdWord> id_words = {})
      : ids_(ids),
        removed_(removed != nullptr && removed->empty() ? nullptr : removed),
        selection_(selection),
        id_words_(id_words) {}

  // Ids, which ascend, by words. Empty where they lie so scattered, or so high, that this would not pay.
  static std::vector<IdWord> words_of(std::span<const ChunkId> ids);

  bool allows(std::size_t ordinal) const {
    if (removed_ != nullptr && removed_->contains(ordinal)) return false;
    return selection_ == nullptr || selection_->contains(ids_[ordinal]);
  }

  // Whether everything is allowed; whether only a selection is.
  bool is_open() const { return removed_ == nullptr && selection_ == nullptr; }
  bool is_selective() const { return selection_ != nullptr; }

  // At most so many are allowed. Costs little, unlike list().
  std::size_t matches_max() const {
    const std::size_t living = ids_.size() - (removed_ == nullptr ? 0 : std::min(removed_->size(), ids_.size()));
    return selection_ == nullptr ? living : std::min(living, selection_->size());
  }

  // Those allowed, ascending. For selections so small that looking at each of them is cheaper than searching; some
  // 30 ns for each member of the selection, or 3 where ids have no gaps.
  std::vector<std::uint32_t> list() const;

  // Those allowed as bits, and how many; `bits` gets the words that the ordinals need and one more. Costs some 3 ns for
  // each word and 1 for each member of a selection that is thinly spread. Nothing without id_words.
  std::optional<std::size_t> mark(std::vector<std::uint64_t>& bits) const;
  // Of bits as mark() sets them, `count` of which are set.
  static std::vector<std::uint32_t> list(std::span<const std::uint64_t> bits, std::size_t count);
  // Whether a selection has so few members that listing them one by one is cheaper than marking.
  bool is_thin() const;

 private:
  void mark_selected(std::vector<std::uint64_t>& bits) const;

  // Whether ids have no gaps, so that an ordinal is a difference of ids.
  bool is_dense() const {
    return !ids_.empty() && static_cast<std::size_t>(ids_.back() - ids_.front()) + 1 == ids_.size();
  }

  std::span<const ChunkId> ids_;
  const RemovedSet* removed_;
  const Selection* selection_;
  std::span<const IdWord> id_words_;
};

}  // namespace ragtime::index
