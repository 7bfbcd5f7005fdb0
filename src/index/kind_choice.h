// Which kind of vector index suits a store: the cheapest to build and change that answers within the time that a search
// may take.
#pragma once

#include <cstddef>
#include <string>

#include "index/vector_index.h"

namespace ragtime::index {

struct KindChoice {
  VectorKind kind = VectorKind::flat;
  std::string reason;  // One sentence.
};

// `current` is kept near the borders between kinds, so that a store that grows and shrinks does not alternate.
KindChoice choose_kind(std::size_t vectors, std::size_t dimensions, const VectorIndexOptions& options,
                       std::optional<VectorKind> current);

}  // namespace ragtime::index
