// LexicalRemovals: which chunks of a segment have been removed, and what that takes from its statistics.
//
// Copies share pages and part with a page when one of them changes it, so that a change costs what it touches.
// Thread safety: const members may be called from any threads together; different copies are independent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/lexical_segment.h"

namespace ragtime::index {

// An array of numbers, at first all 0, in pages that copies share.
template <class T, std::size_t kPageSize>
class SharedPages {
 public:
  using Page = std::array<T, kPageSize>;

  T operator[](std::size_t i) const {
    const Page* page = page_of(i);
    return page == nullptr ? T{} : (*page)[i % kPageSize];
  }
  T& writable(std::size_t i) {
    if (pages_.size() <= i / kPageSize) pages_.resize(i / kPageSize + 1);
    std::shared_ptr<Page>& page = pages_[i / kPageSize];
    if (page == nullptr) page = std::make_shared<Page>();
    if (page.use_count() > 1) page = std::make_shared<Page>(*page);
    return (*page)[i % kPageSize];
  }
  std::size_t bytes() const {
    std::size_t sum = pages_.capacity() * sizeof(pages_[0]);
    for (const auto& page : pages_) sum += page == nullptr ? 0 : sizeof(Page);
    return sum;
  }

 private:
  const Page* page_of(std::size_t i) const {
    return i / kPageSize < pages_.size() ? pages_[i / kPageSize].get() : nullptr;
  }

  std::vector<std::shared_ptr<Page>> pages_;  // Null: all 0.
};

class LexicalRemovals {
 public:
  // Precondition: the chunk is of this segment, the same at every call, and not removed yet.
  void remove(const LexicalSegment& segment, Ordinal chunk);

  bool contains(Ordinal chunk) const { return (chunks_[chunk / 64] >> (chunk % 64) & 1) != 0; }
  std::size_t size() const { return size_; }
  std::uint64_t length_sum() const { return length_sum_; }
  // How many of the removed chunks have the term.
  std::uint32_t count(TermId term) const { return counts_[term]; }
  std::size_t bytes() const { return chunks_.bytes() + counts_.bytes(); }

 private:
  SharedPages<std::uint64_t, 512> chunks_;   // Bits.
  SharedPages<std::uint32_t, 1024> counts_;  // By term.
  std::size_t size_ = 0;
  std::uint64_t length_sum_ = 0;
};

}  // namespace ragtime::index
