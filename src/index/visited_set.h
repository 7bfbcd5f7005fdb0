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
    for (std::size_t i = 0; i < touched_; ++i) words_[list_[i]] = 0;
    touched_ = 0;
    if (words_.size() * 64 >= nodes) return;
    words_.resize((nodes + 63) / 64);
    list_.resize(words_.size() + 1);
  }

  // Whether it was not there. Without branches: whether it was is as good as random.
  bool insert(std::uint32_t node) {
    std::uint64_t& word = words_[node / 64];
    const std::uint64_t mask = std::uint64_t{1} << node % 64;
    const bool is_new = (word & mask) == 0;
    list_[touched_] = node / 64;
    touched_ += word == 0 ? 1 : 0;
    word |= mask;
    return is_new;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> list_;  // Words that are not zero, `touched_` of them, and room for one more.
  std::size_t touched_ = 0;
};

}  // namespace ragtime::index
