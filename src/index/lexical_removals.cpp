#include "index/lexical_removals.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime::index {

void LexicalRemovals::remove(const LexicalSegment& segment, Ordinal chunk) {
  RAGTIME_CHECK(!contains(chunk));
  chunks_.writable(chunk / 64) |= std::uint64_t{1} << (chunk % 64);
  ++size_;
  length_sum_ += segment.lengths()[chunk];
  ForwardList forward;
  segment.read_forward(chunk, forward);
  std::sort(forward.terms.begin(), forward.terms.end());
  const auto end = std::unique(forward.terms.begin(), forward.terms.end());
  for (auto term = forward.terms.begin(); term != end; ++term) ++counts_.writable(*term);
}

}  // namespace ragtime::index
