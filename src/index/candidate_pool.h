// CandidatePool: the best nodes that a graph search has met, in order, and which of them it has expanded.
//
// Entries are single numbers, so that searching and moving them takes no branches: the score's bits in an order of
// integers, the node, and in the last bit whether it is expanded. Thread safety: none; belongs to one search.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

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
    if (entries_.size() <= capacity) entries_.resize(capacity + 1);
    capacity_ = capacity;
    size_ = 0;
    next_ = 0;
    floor_ = -std::numeric_limits<float>::infinity();
  }

  // What a score must exceed to be kept.
  float floor() const { return floor_; }

  // Whether it is kept. Precondition: node < kNodesMost.
  bool insert(float score, std::uint32_t node) {
    if (!(score > floor_)) return false;
    const std::uint64_t entry = std::uint64_t{ordered(score)} << 32 | std::uint64_t{node} << 1;
    const std::size_t position = count_above(entry);
    std::uint64_t* at = entries_.data() + position;
    std::memmove(at + 1, at, (size_ - position) * sizeof *at);
    *at = entry;
    size_ += size_ < capacity_ ? 1 : 0;
    if (size_ == capacity_) floor_ = score_of(entries_[size_ - 1]);
    next_ = std::min(next_, position);
    return true;
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

  std::size_t count_above(std::uint64_t entry) const {
    const std::uint64_t* first = entries_.data();
    for (std::size_t left = size_; left > 0;) {
      const std::size_t half = (left + 1) / 2;
      first += first[half - 1] > entry ? half : 0;
      left -= half;
    }
    return static_cast<std::size_t>(first - entries_.data());
  }

  std::vector<std::uint64_t> entries_;  // Best first; at least one more than the capacity.
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t next_ = 0;  // All before it are expanded.
  float floor_ = 0;
};

}  // namespace ragtime::index
