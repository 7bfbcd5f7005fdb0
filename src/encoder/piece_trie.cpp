#include "encoder/piece_trie.h"

#include <algorithm>
#include <deque>
#include <numeric>

namespace ragtime::encoder {
namespace {

// The entries [begin, end) of the order share their first `depth` bytes.
struct Branch {
  std::size_t begin;
  std::size_t end;
  std::size_t depth;
};

}  // namespace

PieceTrie::PieceTrie(const std::vector<std::string>& entries) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return entries[a] < entries[b]; });
  first_child_.clear();
  std::deque<Branch> queue = {{0, order.size(), 0}};
  for (std::uint32_t node = 0; !queue.empty(); ++node) {
    auto [begin, end, depth] = queue.front();
    queue.pop_front();
    for (; begin < end && entries[order[begin]].size() == depth; ++begin) {
      if (depth > 0) ids_[node] = static_cast<TokenId>(order[begin]);
    }
    first_child_.push_back(static_cast<std::uint32_t>(labels_.size()));
    while (begin < end) {
      const char label = entries[order[begin]][depth];
      const std::size_t first = begin;
      while (begin < end && entries[order[begin]][depth] == label) ++begin;
      queue.push_back({first, begin, depth + 1});
      labels_.push_back(static_cast<std::uint8_t>(label));
      ids_.push_back(kNone);
    }
  }
  first_child_.push_back(static_cast<std::uint32_t>(labels_.size()));
}

std::uint32_t PieceTrie::child(std::uint32_t node, std::uint8_t label) const {
  const auto begin = labels_.begin() + first_child_[node];
  const auto end = labels_.begin() + first_child_[node + 1];
  const auto found = std::lower_bound(begin, end, label);
  return found == end || *found != label ? 0 : static_cast<std::uint32_t>(found - labels_.begin());
}

TokenId PieceTrie::find(std::string_view entry) const {
  std::uint32_t node = 0;
  for (const char byte : entry) {
    node = child(node, static_cast<std::uint8_t>(byte));
    if (node == 0) return kNone;
  }
  return ids_[node];
}

}  // namespace ragtime::encoder
