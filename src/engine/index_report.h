// IndexReport: what a store says about its indexes. A value.
#pragma once

#include <cstddef>
#include <optional>

#include "index/lexical_index.h"
#include "index/vector_index.h"

namespace ragtime::engine {

struct IndexReport {
  std::size_t documents = 0;
  std::size_t chunks = 0;
  index::LexicalIndexReport lexical{};
  std::optional<index::VectorIndexReport> vectors{};  // Nothing for a store without a model.
};

}  // namespace ragtime::engine
