// The small typed values of OpenAI's grammar: filters, attributes, metadata, chunking strategy. Mistakes go to the
// document that the node belongs to (json_reader.h). Pure; safe from any thread.
#pragma once

#include <optional>

#include "api/json_reader.h"
#include "base/attributes.h"
#include "index/filter.h"
#include "storage/records.h"

namespace ragtime::api {

inline constexpr std::size_t kFilterChildrenMax = 100;  // Of one compound filter.
inline constexpr std::size_t kFilterNodesMax = 1000;    // In all.

// Nothing when the node is absent.
std::optional<index::Filter> read_filter(const JsonNode& node);
Attributes read_attributes(const JsonNode& node);
storage::Metadata read_metadata(const JsonNode& node);

struct ChunkSizes {
  int size = 0;  // Tokens; 0 = the configured default ("auto").
  int overlap = 0;
};
ChunkSizes read_chunking_strategy(const JsonNode& node);

}  // namespace ragtime::api
