// Finding the fusion that suits given questions: how good every setting would have been, and whether the best of them
// is better than the present one on questions that it was not chosen by.
//
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/bootstrap.h"
#include "engine/engine.h"
#include "engine/fusion.h"
#include "engine/ranking_measures.h"

namespace ragtime::engine {

struct FusionSetting {
  Fusion fusion = Fusion::convex;
  float dense_weight = 0;
};

// `present` first, then both fusions with the weight in steps.
std::vector<FusionSetting> fusion_settings(const FusionSetting& present);

// One query with everything that both arms found for it.
struct TuningQuery {
  std::vector<Candidate> candidates;
  std::vector<DocumentNumber> documents;  // Of each candidate; several may be passages of the same one.
  Grades grades;
  float coverage = 1;  // What the engine multiplies the weight by for this query.
};

// nDCG of the first k under each setting.
std::vector<double> score_settings(const TuningQuery& query, const std::vector<FusionSetting>& settings, float rrf_k,
                                   std::size_t k);

struct TuningFold {
  std::size_t chosen = 0;   // The best setting on the other folds' queries.
  std::size_t queries = 0;  // Held out.
  double gain = 0;          // Of the chosen setting over the first one, on the held-out queries.
};

struct TuningResult {
  std::vector<TuningFold> folds;
  Interval gain;         // Over all held-out queries.
  std::size_t best = 0;  // On all queries; 0, the present one, unless another is really better.
  double best_mean = 0;  // Of `best`; optimistic, since it was chosen by the same queries.
  double present_mean = 0;
  bool significant() const { return gain.low > 0; }
};

struct TuningConfig {
  std::size_t folds = 5;        // At least 2.
  BootstrapConfig bootstrap{};  // Its seed also deals the queries to folds.
};

// Sets of queries, each of the same weight; of each query the scores of the settings, the present one first.
using SettingScores = std::vector<std::vector<std::vector<double>>>;

TuningResult cross_validate(const SettingScores& sets, const TuningConfig& config);

}  // namespace ragtime::engine
