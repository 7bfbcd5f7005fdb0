// CandidatePool: the best nodes that a graph search has met, in order, and which of them it has expanded.
//
// Thread safety: none; belongs to one search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ragtime::index {

struct Candidate {
  float score = 0;
  std::uint32_t node = 0;
};

class CandidatePool {
 public:
  // Empties the pool, which keeps `capacity` of the best from now on. Precondition: capacity > 0.
  void reset(std::size_t capacity) {
    entries_.resize(capacity + 1);
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
  }

  void insert(float score, std::uint32_t node) {
    if (size_ == capacity_ && score <= entries_[size_ - 1].score) return;
    const auto at = std::upper_bound(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(size_), score,
                                     [](float wanted, const Entry& entry) { return wanted > entry.score; });
    const auto position = static_cast<std::size_t>(at - entries_.begin());
    std::copy_backward(at, entries_.begin() + static_cast<std::ptrdiff_t>(size_),
                       entries_.begin() + static_cast<std::ptrdiff_t>(size_) + 1);
    *at = {score, node, false};
    size_ = std::min(size_ + 1, capacity_);
    next_ = std::min(next_, position);
  }

  // Whether a node is left to expand.
  bool has_next() {
    while (next_ < size_ && entries_[next_].is_expanded) ++next_;
    return next_ < size_;
  }
  // The best one, from now on expanded. Precondition: has_next().
  std::uint32_t take_next() {
    entries_[next_].is_expanded = true;
    return entries_[next_++].node;
  }
  // The node that take_next() would give if nothing was inserted, for prefetching; the pool is not empty.
  std::uint32_t peek() const { return entries_[std::min(next_, size_ - 1)].node; }

  std::size_t size() const { return size_; }
  Candidate operator[](std::size_t i) const { return {entries_[i].score, entries_[i].node}; }

 private:
  struct Entry {
    float score = 0;
    std::uint32_t node = 0;
    bool is_expanded = false;
  };

  std::vector<Entry> entries_;  // Best first; one more than the capacity.
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t next_ = 0;  // All before it are expanded.
};

}  // namespace ragtime::index
