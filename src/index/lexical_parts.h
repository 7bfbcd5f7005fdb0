// Building new segments out of living chunks: of additions, and of the parts of an index.
//
// Thread safety: free functions on immutable parts, from any threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index/lexical_index.h"
#include "index/lexical_search.h"

namespace ragtime::index {

// Preconditions: ids are distinct.
std::shared_ptr<const LexicalSegment> segment_of(std::span<const LexicalIndex::Addition> added,
                                                 const LexicalOptions& options, std::uint64_t sequence);

// The living chunks of all parts in one segment. Precondition: an id lives in one part at most.
std::shared_ptr<const LexicalSegment> merge_parts(std::span<const LexicalPart> parts, const LexicalOptions& options,
                                                  std::uint64_t sequence, bool keep_sequences);

}  // namespace ragtime::index
