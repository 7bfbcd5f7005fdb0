#include "engine/fusion.h"

#include <algorithm>

namespace ragtime::engine {
namespace {

constexpr float kCosineMin = -1.0f;

float normalised(float score, float least, float best) {
  if (best <= least) return 0;
  return std::clamp((score - least) / (best - least), 0.0f, 1.0f);
}

}  // namespace

std::vector<float> fuse(const std::vector<Candidate>& candidates, float dense_weight) {
  float best_dense = kCosineMin;
  float best_lexical = 0;
  for (const auto& candidate : candidates) {
    best_dense = std::max(best_dense, candidate.dense.value_or(kCosineMin));
    best_lexical = std::max(best_lexical, candidate.lexical);
  }
  std::vector<float> scores;
  scores.reserve(candidates.size());
  for (const auto& candidate : candidates) {
    const float lexical = normalised(candidate.lexical, 0, best_lexical);
    const float weight = candidate.dense ? dense_weight : 0.0f;
    const float dense = normalised(candidate.dense.value_or(kCosineMin), kCosineMin, best_dense);
    scores.push_back(weight * dense + (1 - weight) * lexical);
  }
  return scores;
}

}  // namespace ragtime::engine
