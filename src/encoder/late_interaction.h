// Late interaction: how well a document's tokens answer a query's, each on its own. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <span>

namespace ragtime::encoder {

// The mean over the query's tokens of the best cosine among the document's: MaxSim of Khattab and Zaharia, "ColBERT",
// 2020, divided by the number of query tokens; -1..1. Both are rows of `dimensions` values of length 1, one after the
// other. -1 when the query or the document has no tokens.
float max_sim(std::span<const float> query, std::span<const float> document, std::size_t dimensions);

}  // namespace ragtime::encoder
