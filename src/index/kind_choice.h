// Which kind of vector index suits a store: the cheapest to build and change that answers within the time that a search
// may take, and fits its memory. docs/decisions/0014-graph-border.md has the measurements behind it.
#pragma once

#include <cstddef>
#include <string>

#include "index/vector_index.h"

namespace ragtime::index {

struct KindChoice {
  VectorKind kind = VectorKind::flat;
  std::string reason;  // One sentence.
};

// `current` is kept near the borders between kinds, so that a store that grows and shrinks does not alternate. Nothing,
// before the first merge, never gives a graph: scanning all is there in a tenth of the time, and what is scanned then is
// current when the graph is chosen next.
KindChoice choose_kind(std::size_t vectors, std::size_t dimensions, const VectorIndexOptions& options,
                       std::optional<VectorKind> current);

}  // namespace ragtime::index
