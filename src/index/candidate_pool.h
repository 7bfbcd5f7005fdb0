// CandidatePool: the best nodes that a graph search has met, in order, and which of them it has expanded.
//
// Entries are single numbers, so that searching and moving them takes no branches: the score's bits in an order of
// integers, the node, and in the last bit whether it is expanded. Thread safety: none; belongs to one search.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "index/vector_kernels.h"

namespace ragtime::index {

struct Candidate {
  float score = 0;
  std::uint32_t node = 0;
};

class CandidatePool {
 public:
  static constexpr std::uint32_t kNodesMost = std::uint32_t{1} << 31;

  // Empties the pool, which keeps `capacity` of the best from now on. Precondition: capacity > 0.
  void reset(std::size_t capacity) {
    if (entries_.size() < capacity + kInsertRoom) entries_.resize(capacity + kInsertRoom);
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
    floor_ = -std::numeric_limits<float>::infinity();
  }

  // What a score must exceed to be kept.
  float floor() const { return floor_; }

  // As insert() takes them. Precondition: node < kNodesMost.
  static std::uint64_t entry_of(float score, std::uint32_t node) {
    return std::uint64_t{ordered(score)} << 32 | std::uint64_t{node} << 1;
  }

  // Keeps the best. Scores are numbers.
  void insert(std::span<const std::uint64_t> entries) {
    if (entries.empty()) return;
    size_ = kernels_->insert_descending(entries_.data(), size_, capacity_, entries.data(), entries.size());
    if (size_ == capacity_) floor_ = score_of(entries_[size_ - 1]);
    const auto first = entries_.begin();
    const std::uint64_t best = *std::max_element(entries.begin(), entries.end());
    const auto place = std::lower_bound(first, first + static_cast<std::ptrdiff_t>(next_), best, std::greater<>());
    next_ = static_cast<std::size_t>(place - first);
  }
  // If it is above the floor.
  void insert(float score, std::uint32_t node) {
    const std::uint64_t entry = entry_of(score, node);
    if (score > floor_) insert({&entry, 1});
  }

  // Whether a node is left to expand.
  bool has_next() {
    while (next_ < size_ && (entries_[next_] & 1) != 0) ++next_;
    return next_ < size_;
  }
  // The best one, from now on expanded. Precondition: has_next().
  std::uint32_t take_next() {
    entries_[next_] |= 1;
    return node_of(entries_[next_++]);
  }

  std::size_t size() const { return size_; }
  Candidate operator[](std::size_t i) const { return {score_of(entries_[i]), node_of(entries_[i])}; }

 private:
  // Bits that are ordered as the numbers are; and back.
  static std::uint32_t ordered(float score) {
    const auto bits = std::bit_cast<std::uint32_t>(score);
    return bits ^ (bits >> 31 != 0 ? 0xffffffffu : 0x80000000u);
  }
  static float score_of(std::uint64_t entry) {
    const auto bits = static_cast<std::uint32_t>(entry >> 32);
    return std::bit_cast<float>(bits ^ (bits >> 31 != 0 ? 0x80000000u : 0xffffffffu));
  }
  static std::uint32_t node_of(std::uint64_t entry) { return static_cast<std::uint32_t>(entry) >> 1; }

  const VectorKernels* kernels_ = &best_vector_kernels();
  std::vector<std::uint64_t> entries_;  // Best first, with room for the kernel.
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t next_ = 0;  // All before it are expanded.
  float floor_ = 0;
};

}  // namespace ragtime::index
