// VisitedSet: which nodes of a graph a search has met, as bits that fit a processor's cache where an epoch for each
// node would not. What was set is listed, so that clearing costs what the search cost.
//
// Thread safety: none; belongs to one search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ragtime::index {

class VisitedSet {
 public:
  // Empties the set and makes room for nodes below `nodes`.
  void reset(std::size_t nodes) {
    for (const std::uint32_t word : touched_) words_[word] = 0;
    touched_.clear();
    if (words_.size() * 64 < nodes) words_.resize((nodes + 63) / 64);
  }

  // Whether it was not there.
  bool insert(std::uint32_t node) {
    std::uint64_t& word = words_[node / 64];
    const std::uint64_t mask = std::uint64_t{1} << node % 64;
    if ((word & mask) != 0) return false;
    if (word == 0) touched_.push_back(node / 64);
    word |= mask;
    return true;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace ragtime::index
