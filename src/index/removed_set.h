// RemovedSet: a set of ordinals whose copies share memory, so that a copy with one more member costs little.
//
// The bits lie in pages of 32,768 that are never changed, only replaced; pages without members are absent.
// Thread safety: const members may be called from any threads together; a set being changed belongs to one thread, its
// copies are independent.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ragtime::index {

class RemovedSet {
 public:
  bool contains(std::size_t ordinal) const {
    const std::size_t page = ordinal / kPageBits;
    return page < pages_.size() && pages_[page] && ((*pages_[page])[ordinal % kPageBits / 64] >> ordinal % 64 & 1) != 0;
  }

  // Members 64 · number … 64 · number + 63 as bits.
  std::uint64_t word(std::size_t number) const {
    const std::size_t page = number / (kPageBits / 64);
    return page < pages_.size() && pages_[page] ? (*pages_[page])[number % (kPageBits / 64)] : 0;
  }

  // `ordinals` ascend; those that are members already are ignored. Costs a copy of each page that changes.
  void add(std::span<const std::size_t> ordinals) {
    for (std::size_t i = 0; i < ordinals.size();) {
      const std::size_t page = ordinals[i] / kPageBits;
      if (page >= pages_.size()) pages_.resize(page + 1);
      const auto changed = pages_[page] ? std::make_shared<Page>(*pages_[page]) : std::make_shared<Page>();
      for (; i < ordinals.size() && ordinals[i] / kPageBits == page; ++i) set(*changed, ordinals[i] % kPageBits);
      pages_[page] = changed;
    }
  }

  // Calls `visit` with each ordinal that `older` lacks, ascending. Pages that both share are skipped.
  template <class Visit>
  void for_each_since(const RemovedSet& older, const Visit& visit) const {
    for (std::size_t page = 0; page < pages_.size(); ++page) {
      const Page* before = page < older.pages_.size() ? older.pages_[page].get() : nullptr;
      if (!pages_[page] || pages_[page].get() == before) continue;
      for (std::size_t word = 0; word < pages_[page]->size(); ++word) {
        std::uint64_t bits = (*pages_[page])[word] & ~(before != nullptr ? (*before)[word] : 0);
        for (; bits != 0; bits &= bits - 1) {
          visit(page * kPageBits + word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
        }
      }
    }
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Counts shared pages in full.
  std::size_t bytes() const {
    std::size_t present = 0;
    for (const auto& page : pages_) present += page ? 1 : 0;
    return pages_.capacity() * sizeof(pages_[0]) + present * sizeof(Page);
  }

 private:
  static constexpr std::size_t kPageBits = 32'768;
  using Page = std::array<std::uint64_t, kPageBits / 64>;

  void set(Page& page, std::size_t bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit % 64;
    size_ += (page[bit / 64] & mask) == 0 ? 1 : 0;
    page[bit / 64] |= mask;
  }

  std::vector<std::shared_ptr<const Page>> pages_;
  std::size_t size_ = 0;
};

}  // namespace ragtime::index
