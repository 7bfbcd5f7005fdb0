// Fusion: one score from the two arms' scores, as a convex combination after normalisation per query.
//
// score = w · (dense + 1) / (max dense + 1) + (1 − w) · lexical / max lexical
// The normalisation subtracts the least possible score of each arm (−1 for a cosine, 0 for BM25) and divides by the
// best of the query: "TMM" in Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2022.
// Pure.
#pragma once

#include <optional>
#include <vector>

#include "index/hit.h"

namespace ragtime::engine {

struct Candidate {
  index::ChunkId id = 0;
  std::optional<float> dense;  // Cosine; nothing when the chunk has no vector or the arm did not run.
  float lexical = 0;           // BM25; 0 when no term matched.
};

// The candidates' fused scores in 0..1, in their order. A candidate without a dense score is judged by its lexical
// score alone.
std::vector<float> fuse(const std::vector<Candidate>& candidates, float dense_weight);

}  // namespace ragtime::engine
