// PieceTrie: a vocabulary as a byte trie, to find every entry that a text begins with.
//
// Nodes lie breadth first: the children of a node are neighbours, ordered by label.
// Thread safety: immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/tokenizer.h"

namespace ragtime::encoder {

class PieceTrie {
 public:
  static constexpr TokenId kNone = -1;

  PieceTrie() = default;
  // The id of an entry is its index; of equal entries the last one counts. Empty entries are left out.
  explicit PieceTrie(const std::vector<std::string>& entries);

  // Calls visit(length, id) for every entry that `text` begins with, shortest first.
  template <class Visit>
  void for_each_prefix(std::string_view text, Visit visit) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<std::uint8_t>(text[i]));
      if (node == 0) return;
      if (ids_[node] != kNone) visit(i + 1, ids_[node]);
    }
  }

  TokenId find(std::string_view entry) const;  // kNone when absent.

 private:
  std::uint32_t child(std::uint32_t node, std::uint8_t label) const;  // 0 when there is none.

  // Children of node n are [first_child_[n], first_child_[n + 1]).
  std::vector<std::uint32_t> first_child_ = {1, 1};
  std::vector<std::uint8_t> labels_ = {0};
  std::vector<TokenId> ids_ = {kNone};
};

}  // namespace ragtime::encoder
