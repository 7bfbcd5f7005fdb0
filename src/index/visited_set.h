// VisitedSet: which nodes of a graph a search has met, as bits that fit a processor's cache where an epoch for each
// node would not. What was set is listed, so that clearing costs what the search cost.
//
// Thread safety: none; belongs to one search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ragtime::index {

class VisitedSet {
 public:
  // Empties the set and makes room for nodes below `nodes`.
  void reset(std::size_t nodes) {
    for (std::size_t i = 0; i < touched_; ++i) words_[list_[i]] = 0;
    touched_ = 0;
    if (words_.size() * 64 >= nodes) return;
    words_.resize((nodes + 63) / 64);
    list_.resize(words_.size() + 1);
  }

  void insert(std::uint32_t node) {
    std::uint32_t inserted[1];
    insert_new({&node, 1}, inserted);
  }

  // Writes those that were not there, which may be as many as `nodes`, to `inserted`; returns how many. Without branches:
  // whether one was there is as good as random.
  std::size_t insert_new(std::span<const std::uint32_t> nodes, std::uint32_t* inserted) {
    std::uint64_t* const words = words_.data();
    std::uint32_t* const list = list_.data();
    std::size_t touched = touched_;
    std::size_t count = 0;
    for (const std::uint32_t node : nodes) {
      const std::uint64_t word = words[node / 64];
      const std::uint64_t mask = std::uint64_t{1} << node % 64;
      list[touched] = node / 64;
      touched += word == 0 ? 1 : 0;
      words[node / 64] = word | mask;
      inserted[count] = node;
      count += (word & mask) == 0 ? 1 : 0;
    }
    touched_ = touched;
    return count;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> list_;  // Words that are not zero, `touched_` of them, and room for one more.
  std::size_t touched_ = 0;
};

}  // namespace ragtime::index
