#include "engine/fusion_tuning.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <unordered_set>

#include "base/check.h"

namespace ragtime::engine {
namespace {

constexpr int kSteps = 20;         // Of the weight between 0 and 1.
constexpr double kNothing = 1e-9;  // Differences below come of rounding.

std::vector<DocumentNumber> ranking_of(const TuningQuery& query, const std::vector<float>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : query.candidates[a].id < query.candidates[b].id;
  });
  std::vector<DocumentNumber> ranking;
  std::unordered_set<DocumentNumber> seen;
  for (const std::size_t i : order) {
    if (seen.insert(query.documents[i]).second) ranking.push_back(query.documents[i]);
  }
  return ranking;
}

// The fold of each query of each set: equal shares, dealt by chance.
std::vector<std::vector<std::size_t>> deal(const SettingScores& sets, const TuningConfig& config) {
  std::mt19937_64 random(config.bootstrap.seed);
  std::vector<std::vector<std::size_t>> folds;
  for (const auto& set : sets) {
    auto& of_set = folds.emplace_back(set.size());
    for (std::size_t i = 0; i < of_set.size(); ++i) of_set[i] = i % config.folds;
    std::shuffle(of_set.begin(), of_set.end(), random);
  }
  return folds;
}

std::size_t settings_of(const SettingScores& sets) {
  for (const auto& set : sets) {
    if (!set.empty()) return set.front().size();
  }
  return 0;
}

// The mean of the sets' means per setting, over the queries that `wanted(set, query)` names.
template <class Wanted>
std::vector<double> means(const SettingScores& sets, Wanted wanted) {
  std::vector<double> out(settings_of(sets), 0.0);
  for (std::size_t s = 0; s < sets.size(); ++s) {
    std::vector<double> sums(out.size(), 0.0);
    double count = 0;
    for (std::size_t q = 0; q < sets[s].size(); ++q) {
      if (!wanted(s, q)) continue;
      count += 1;
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += sets[s][q][i];
    }
    for (std::size_t i = 0; i < sums.size() && count > 0; ++i) out[i] += sums[i] / count;
  }
  for (double& mean : out) mean /= static_cast<double>(std::max<std::size_t>(sets.size(), 1));
  return out;
}

std::size_t best_of(const std::vector<double>& means) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < means.size(); ++i) {
    if (means[i] > means[best] + kNothing) best = i;
  }
  return best;
}

}  // namespace

std::vector<FusionSetting> fusion_settings(const FusionSetting& present) {
  std::vector<FusionSetting> settings{present};
  for (const Fusion fusion : {Fusion::convex, Fusion::rrf}) {
    for (int step = 0; step <= kSteps; ++step) {
      settings.push_back({fusion, static_cast<float>(step) / static_cast<float>(kSteps)});
    }
  }
  return settings;
}

std::vector<double> score_settings(const TuningQuery& query, const std::vector<FusionSetting>& settings, float rrf_k,
                                   std::size_t k) {
  RAGTIME_CHECK(query.documents.size() == query.candidates.size());
  std::vector<double> out;
  out.reserve(settings.size());
  for (const auto& setting : settings) {
    const float weight = setting.dense_weight * query.coverage;
    const auto scores =
        setting.fusion == Fusion::rrf ? fuse_ranks(query.candidates, weight, rrf_k) : fuse(query.candidates, weight);
    out.push_back(ndcg(ranking_of(query, scores), query.grades, k));
  }
  return out;
}

TuningResult cross_validate(const SettingScores& sets, const TuningConfig& config) {
  TuningResult out;
  const auto folds = deal(sets, config);
  std::vector<std::vector<double>> gains(sets.size());
  for (std::size_t f = 0; f < config.folds; ++f) {
    TuningFold fold;
    fold.chosen = best_of(means(sets, [&](std::size_t s, std::size_t q) { return folds[s][q] != f; }));
    const auto held_out = means(sets, [&](std::size_t s, std::size_t q) { return folds[s][q] == f; });
    if (!held_out.empty()) fold.gain = held_out[fold.chosen] - held_out[0];
    for (std::size_t s = 0; s < sets.size(); ++s) {
      for (std::size_t q = 0; q < sets[s].size(); ++q) {
        if (folds[s][q] != f) continue;
        ++fold.queries;
        gains[s].push_back(sets[s][q][fold.chosen] - sets[s][q][0]);
      }
    }
    out.folds.push_back(fold);
  }
  out.gain = bootstrap_mean(gains, config.bootstrap);
  const auto overall = means(sets, [](std::size_t, std::size_t) { return true; });
  if (overall.empty()) return out;
  out.best = best_of(overall);
  out.best_mean = overall[out.best];
  out.present_mean = overall[0];
  return out;
}

}  // namespace ragtime::engine
