// What `ragtime eval` tells: means with confidence intervals as tables, and everything as JSON.
//
// Intervals are bootstrapped over the questions (engine/bootstrap.h); the difference between hybrid and an arm is that
// of the same questions. The same seed gives the same report.
// Thread safety: pure functions, but for what they print.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "engine/bootstrap.h"
#include "engine/fusion_tuning.h"
#include "server/configuration.h"
#include "server/evaluation.h"
#include "server/terminal.h"

namespace ragtime::server {

struct ReportOptions {
  std::size_t k = 10;
  std::uint64_t seed = 1;
};

// One of the measures, with the name that trec_eval's users expect.
struct NamedMeasure {
  std::string name;  // "ndcg@10"
  double engine::RankingMeasures::*value;
};
std::vector<NamedMeasure> named_measures(std::size_t k);

struct ArmDifference {
  std::string arm;          // The one that hybrid is compared with.
  double arm_mean = 0;      // nDCG of the first k.
  engine::Interval gain{};  // Hybrid's above it.
  bool significant() const { return gain.low > 0 || gain.high < 0; }
};
// Hybrid against the better arm, and against itself without its second stage where there is one; by nDCG.
std::vector<ArmDifference> differences(const SetResult& set, const ReportOptions& options);

void print_set(const SetResult& set, const ReportOptions& options, Terminal& terminal);
// Means over several sets, each of the same weight.
void print_means(const std::vector<SetResult>& sets, const ReportOptions& options, Terminal& terminal);

// A setting that tuning may choose.
struct TuningChoice {
  std::string text;           // "convex, dense_weight 0.70"
  std::string configuration;  // Lines for [retrieval] of ragtime.toml.
  boost::json::object json;
};

struct TuningReport {
  std::string name;  // "fusion" or "bm25".
  std::vector<TuningChoice> settings;  // The present one first.
  engine::TuningResult result;
};
// `configuration` decides on the present setting; the sets have been evaluated with `tune`.
TuningReport tune_fusion(const std::vector<SetResult>& sets, const Configuration& configuration,
                         const ReportOptions& options);
TuningReport tune_bm25(const std::vector<SetResult>& sets, const Configuration& configuration,
                       const ReportOptions& options);
void print_tuning(const TuningReport& tuning, const ReportOptions& options, Terminal& terminal);

// {"sets": [{"name": …, "arms": {"lexical": {"ndcg@10": …, …}, …}, …}], "tuning": {"fusion": …, "bm25": …}, …}
boost::json::object report_json(const std::vector<SetResult>& sets, const Configuration& configuration,
                                const std::vector<TuningReport>& tunings, const ReportOptions& options);

}  // namespace ragtime::server
