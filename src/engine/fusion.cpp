#include "engine/fusion.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>

namespace ragtime::engine {
namespace {

constexpr float kCosineMin = -1.0f;

float normalised(float score, float least, float best) {
  if (best <= least) return 0;
  return std::clamp((score - least) / (best - least), 0.0f, 1.0f);
}

using ScoreOf = std::optional<float> (*)(const Candidate&);

std::optional<float> dense_of(const Candidate& candidate) {
  return candidate.dense;
}

std::optional<float> lexical_of(const Candidate& candidate) {
  return candidate.lexical > 0 ? std::optional(candidate.lexical) : std::nullopt;
}

// (k + 1) / (k + rank) of each candidate; 0 without a score.
std::vector<float> reciprocal_ranks(const std::vector<Candidate>& candidates, ScoreOf score_of, float k) {
  std::vector<std::pair<float, std::size_t>> scores;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (const auto score = score_of(candidates[i])) scores.emplace_back(*score, i);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  std::vector<float> reciprocals(candidates.size(), 0.0f);
  std::size_t rank = 1;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (i > 0 && scores[i].first < scores[i - 1].first) rank = i + 1;
    reciprocals[scores[i].second] = (k + 1) / (k + static_cast<float>(rank));
  }
  return reciprocals;
}

}  // namespace

std::vector<float> fuse_ranks(const std::vector<Candidate>& candidates, float dense_weight, float k) {
  const auto dense = reciprocal_ranks(candidates, dense_of, k);
  const auto lexical = reciprocal_ranks(candidates, lexical_of, k);
  std::vector<float> scores;
  scores.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const float weight = candidates[i].dense ? dense_weight : 0.0f;
    scores.push_back(weight * dense[i] + (1 - weight) * lexical[i]);
  }
  return scores;
}

std::vector<float> blend(const std::vector<float>& fused, const std::vector<float>& judged, float least, float weight) {
  if (judged.empty()) return fused;
  const auto [worst, best] = std::minmax_element(judged.begin(), judged.end());
  std::vector<float> scores;
  scores.reserve(fused.size());
  for (std::size_t i = 0; i < fused.size(); ++i) {
    const float judgement = i < judged.size() ? judged[i] : *worst;
    scores.push_back((1 - weight) * fused[i] + weight * normalised(judgement, least, *best));
  }
  return scores;
}

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
