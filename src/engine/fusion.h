// Fusion: one score from the two arms' scores; and the final one after a second stage.
//
// Convex: score = w · (dense + 1) / (max dense + 1) + (1 − w) · lexical / max lexical
// The normalisation subtracts the least possible score of each arm (−1 for a cosine, 0 for BM25) and divides by the
// best of the query: "TMM" in Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2022.
//
// Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), weighted and scaled so that the best of both arms has 1:
// score = (k + 1) · (w / (k + dense rank) + (1 − w) / (k + lexical rank)), without the part of an arm that the
// candidate has no score of. Ranks are those among the candidates, from 1; equal scores share the better one.
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
std::vector<float> fuse_ranks(const std::vector<Candidate>& candidates, float dense_weight, float k);

// (1 − w) · fused + w · (judged − least) / (best judged − least), where `least` is the least possible judgement and
// `judged` are those of the first of `fused`. The others count as judged like the worst of them, so that they keep
// their order and, when `fused` descends, their place behind. Nothing judged changes nothing.
std::vector<float> blend(const std::vector<float>& fused, const std::vector<float>& judged, float least, float weight);

}  // namespace ragtime::engine
