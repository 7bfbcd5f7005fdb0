#include "server/evaluation_report.h"

#include <algorithm>
#include <numeric>

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include "server/json_text.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

namespace json = boost::json;

constexpr const char* kArms[] = {kLexicalArm, kDenseArm, kFusedArm, kHybridArm};
constexpr const char* kNoModel = "no embedding model";

engine::BootstrapConfig bootstrap(const ReportOptions& options) {
  engine::BootstrapConfig out;
  out.seed = options.seed;
  return out;
}

std::vector<double> values(const ArmResult& arm, double engine::RankingMeasures::*measure) {
  std::vector<double> out;
  out.reserve(arm.queries.size());
  for (const auto& query : arm.queries) out.push_back(query.*measure);
  return out;
}

double mean(const ArmResult& arm, double engine::RankingMeasures::*measure) {
  const auto all = values(arm, measure);
  return all.empty() ? 0 : std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

engine::Interval interval(const ArmResult& arm, double engine::RankingMeasures::*measure,
                          const ReportOptions& options) {
  return engine::bootstrap_mean(values(arm, measure), bootstrap(options));
}

std::string heading(std::string_view name) {
  std::string out(name);
  if (out.starts_with("ndcg")) return "nDCG" + out.substr(4);
  if (!out.starts_with("recall")) {
    for (char& c : out) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return out;
}

std::string percent(double gain, double base) {
  return base > 0 ? fmt::format(" ({:+.1f} %)", 100 * gain / base) : std::string();
}

ArmDifference difference(const SetResult& set, const ArmResult& other, const ReportOptions& options) {
  const auto measure = &engine::RankingMeasures::ndcg;
  auto gains = values(*set.arm(kHybridArm), measure);
  const auto base = values(other, measure);
  for (std::size_t i = 0; i < gains.size(); ++i) gains[i] -= base[i];
  return {other.name, mean(other, measure), engine::bootstrap_mean(gains, bootstrap(options))};
}

const ArmResult* better_arm(const SetResult& set) {
  const ArmResult* lexical = set.arm(kLexicalArm);
  const ArmResult* dense = set.arm(kDenseArm);
  if (dense == nullptr || lexical == nullptr) return dense == nullptr ? lexical : dense;
  const auto measure = &engine::RankingMeasures::ndcg;
  return mean(*dense, measure) > mean(*lexical, measure) ? dense : lexical;
}

std::vector<std::string> table_head(const std::vector<NamedMeasure>& measures, bool with_interval) {
  std::vector<std::string> head{"arm"};
  for (const auto& measure : measures) {
    head.push_back(heading(measure.name));
    if (with_interval && head.size() == 2) head.push_back("95 % interval");
  }
  return head;
}

std::vector<std::string> arm_row(const ArmResult& arm, const std::vector<NamedMeasure>& measures,
                                 const ReportOptions& options) {
  std::vector<std::string> row{arm.name};
  for (const auto& measure : measures) {
    row.push_back(fmt::format("{:.4f}", mean(arm, measure.value)));
    if (row.size() > 2) continue;
    const auto sure = interval(arm, measure.value, options);
    row.push_back(fmt::format("{:.4f} to {:.4f}", sure.low, sure.high));
  }
  return row;
}

void print_difference(const ArmDifference& difference, const ReportOptions& options, Terminal& terminal) {
  const bool up = difference.gain.low > 0;
  const std::string verdict = !difference.significant() ? "not significant" : up ? "better" : "worse";
  const Style style = !difference.significant() ? Style::yellow : up ? Style::green : Style::red;
  terminal.line(fmt::format("hybrid against {}: nDCG@{} {:+.4f}{}, 95 % interval {:+.4f} to {:+.4f}: {}",
                            difference.arm, options.k, difference.gain.mean,
                            percent(difference.gain.mean, difference.arm_mean), difference.gain.low,
                            difference.gain.high, terminal.styled(style, verdict)));
}

void print_remarks(const SetResult& set, Terminal& terminal) {
  if (set.arm(kDenseArm) == nullptr) {
    terminal.line(terminal.styled(Style::yellow, fmt::format("{}: dense and hybrid were not measured", kNoModel)));
  }
  if (set.queries_unjudged > 0) {
    terminal.line(terminal.styled(
        Style::dim, fmt::format("{} questions without a relevant document were left out", set.queries_unjudged)));
  }
  if (set.rerank_incomplete > 0) {
    terminal.line(terminal.styled(
        Style::yellow, fmt::format("the second stage failed or ran out of time for {} questions; their ranking is in "
                                   "part that of the fusion",
                                   set.rerank_incomplete)));
  }
}

json::object arm_json(const ArmResult& arm, const ReportOptions& options) {
  json::object out;
  json::object intervals;
  for (const auto& measure : named_measures(options.k)) {
    const auto sure = interval(arm, measure.value, options);
    out[measure.name] = sure.mean;
    intervals[measure.name] = json::array{sure.low, sure.high};
  }
  out["intervals"] = std::move(intervals);
  return out;
}

json::object difference_json(const ArmDifference& difference) {
  return {{"arm", difference.arm},
          {"gain", difference.gain.mean},
          {"interval", json::array{difference.gain.low, difference.gain.high}},
          {"significant", difference.significant()}};
}

json::object set_json(const SetResult& set, const ReportOptions& options) {
  json::object arms;
  for (const auto& arm : set.arms) arms[arm.name] = arm_json(arm, options);
  json::array gains;
  for (const auto& each : differences(set, options)) gains.push_back(difference_json(each));
  json::object out{{"name", set.name},
                   {"arms", std::move(arms)},
                   {"hybrid_against", std::move(gains)},
                   {"documents", set.documents},
                   {"passages", set.passages},
                   {"queries", set.queries},
                   {"queries_unjudged", set.queries_unjudged},
                   {"rerank_incomplete", set.rerank_incomplete},
                   {"ingest_s", set.ingest_s},
                   {"search_s", set.search_s}};
  if (set.arm(kDenseArm) == nullptr) out["missing"] = json::object{{"dense", kNoModel}, {"hybrid", kNoModel}};
  return out;
}

TuningChoice fusion_choice(const engine::FusionSetting& setting) {
  const char* fusion = setting.fusion == engine::Fusion::rrf ? "rrf" : "convex";
  return {fmt::format("{}, dense_weight {:.2f}", fusion, setting.dense_weight),
          fmt::format("fusion = \"{}\"\ndense_weight = {:.2f}", fusion, setting.dense_weight),
          {{"fusion", fusion}, {"dense_weight", setting.dense_weight}}};
}

TuningChoice bm25_choice(const storage::RankingSettings& setting) {
  return {fmt::format("k1 {:.2f}, b {:.2f}", *setting.k1, *setting.b),
          fmt::format("bm25_k1 = {:.2f}\nbm25_b = {:.2f}", *setting.k1, *setting.b),
          {{"bm25_k1", *setting.k1}, {"bm25_b", *setting.b}}};
}

engine::TuningResult cross_validated(const engine::SettingScores& scores, const ReportOptions& options) {
  engine::TuningConfig config;
  config.bootstrap = bootstrap(options);
  return engine::cross_validate(scores, config);
}

json::object tuning_json(const TuningReport& tuning) {
  json::array folds;
  for (const auto& fold : tuning.result.folds) {
    json::object chosen = tuning.settings[fold.chosen].json;
    chosen["queries"] = fold.queries;
    chosen["held_out_gain"] = fold.gain;
    folds.push_back(std::move(chosen));
  }
  const auto& gain = tuning.result.gain;
  return {{"present", tuning.settings[0].json},
          {"best", tuning.settings[tuning.result.best].json},
          {"folds", std::move(folds)},
          {"held_out_gain", gain.mean},
          {"interval", json::array{gain.low, gain.high}},
          {"significant", tuning.result.significant()}};
}

}  // namespace

std::vector<NamedMeasure> named_measures(std::size_t k) {
  const std::size_t depth = evaluation_depth(k);
  std::vector<NamedMeasure> out{{fmt::format("ndcg@{}", k), &engine::RankingMeasures::ndcg},
                                {fmt::format("recall@{}", k), &engine::RankingMeasures::recall},
                                {fmt::format("mrr@{}", k), &engine::RankingMeasures::reciprocal_rank},
                                {fmt::format("map@{}", depth), &engine::RankingMeasures::average_precision}};
  if (depth != k) out.push_back({fmt::format("recall@{}", depth), &engine::RankingMeasures::recall_whole});
  return out;
}

std::vector<ArmDifference> differences(const SetResult& set, const ReportOptions& options) {
  std::vector<ArmDifference> out;
  if (set.arm(kHybridArm) == nullptr) return out;
  out.push_back(difference(set, *better_arm(set), options));
  if (const auto* fused = set.arm(kFusedArm)) out.push_back(difference(set, *fused, options));
  return out;
}

void print_set(const SetResult& set, const ReportOptions& options, Terminal& terminal) {
  terminal.line(terminal.styled(Style::bold, set.name) +
                fmt::format(": {} documents in {} passages, {} questions; {:.1f} s to take in, {:.1f} s to search",
                            format_count(set.documents), format_count(set.passages), format_count(set.queries),
                            set.ingest_s, set.search_s));
  const auto measures = named_measures(options.k);
  Table table(table_head(measures, true));
  for (const char* name : kArms) {
    const auto* arm = set.arm(name);
    if (arm != nullptr) table.row(arm_row(*arm, measures, options));
    if (arm == nullptr && name != std::string_view(kFusedArm)) table.row({name, "no model"});
  }
  table.print(terminal);
  for (const auto& each : differences(set, options)) print_difference(each, options, terminal);
  print_remarks(set, terminal);
  terminal.line();
}

void print_means(const std::vector<SetResult>& sets, const ReportOptions& options, Terminal& terminal) {
  const auto measures = named_measures(options.k);
  Table table(table_head(measures, false));
  const auto count = static_cast<double>(sets.size());
  for (const char* name : kArms) {
    const bool everywhere = std::all_of(sets.begin(), sets.end(), [&](const auto& set) { return set.arm(name); });
    if (!everywhere) continue;
    std::vector<std::string> row{name};
    for (const auto& measure : measures) {
      double sum = 0;
      for (const auto& set : sets) sum += mean(*set.arm(name), measure.value);
      row.push_back(fmt::format("{:.4f}", sum / count));
    }
    table.row(std::move(row));
  }
  terminal.line(terminal.styled(Style::bold, fmt::format("mean of {} sets", sets.size())));
  table.print(terminal);
  double better = 0;
  double hybrid = 0;
  for (const auto& set : sets) {
    if (set.arm(kHybridArm) == nullptr) return terminal.line();
    better += mean(*better_arm(set), &engine::RankingMeasures::ndcg) / count;
    hybrid += mean(*set.arm(kHybridArm), &engine::RankingMeasures::ndcg) / count;
  }
  terminal.line(fmt::format("hybrid against each set's better arm: nDCG@{} {:+.4f}{}", options.k, hybrid - better,
                            percent(hybrid - better, better)));
  terminal.line();
}

TuningReport tune_fusion(const std::vector<SetResult>& sets, const Configuration& configuration,
                         const ReportOptions& options) {
  TuningReport out{"fusion", {}, {}};
  for (const auto& setting : tuning_settings(configuration)) out.settings.push_back(fusion_choice(setting));
  engine::SettingScores scores;
  for (const auto& set : sets) scores.push_back(set.settings);
  out.result = cross_validated(scores, options);
  return out;
}

TuningReport tune_bm25(const std::vector<SetResult>& sets, const Configuration& configuration,
                       const ReportOptions& options) {
  TuningReport out{"bm25", {}, {}};
  for (const auto& setting : tuning_rankings(configuration)) out.settings.push_back(bm25_choice(setting));
  engine::SettingScores scores;
  for (const auto& set : sets) scores.push_back(set.rankings);
  out.result = cross_validated(scores, options);
  return out;
}

void print_tuning(const TuningReport& tuning, const ReportOptions& options, Terminal& terminal) {
  const auto& result = tuning.result;
  terminal.line(terminal.styled(Style::bold, "tuning " + tuning.name) +
                fmt::format(": nDCG@{}{}, cross-validation, present setting {}", options.k,
                            tuning.name == "bm25" ? " by words alone" : "", tuning.settings[0].text));
  Table table({"fold", "held-out questions", "chosen by the others", "gain on the held-out"});
  for (std::size_t i = 0; i < result.folds.size(); ++i) {
    const auto& fold = result.folds[i];
    table.row({std::to_string(i + 1), format_count(fold.queries), tuning.settings[fold.chosen].text,
               fmt::format("{:+.4f}", fold.gain)});
  }
  table.print(terminal);
  terminal.line(fmt::format("held-out gain {:+.4f}, 95 % interval {:+.4f} to {:+.4f}", result.gain.mean,
                            result.gain.low, result.gain.high));
  if (!result.significant() || result.best == 0) {
    terminal.line("No significant gain: keep the present settings.");
    return;
  }
  terminal.line(terminal.styled(Style::green, "A significant gain.") + " Put this into ragtime.toml:");
  terminal.line();
  terminal.line("[retrieval]\n" + tuning.settings[result.best].configuration);
}

json::object report_json(const std::vector<SetResult>& sets, const Configuration& configuration,
                         const std::vector<TuningReport>& tunings, const ReportOptions& options) {
  json::array list;
  for (const auto& set : sets) list.push_back(set_json(set, options));
  json::object out{{"sets", std::move(list)}, {"k", options.k}, {"seed", options.seed}};
  out["settings"] = json::object{
      {"fusion", configuration.retrieval.fusion},         {"dense_weight", configuration.retrieval.dense_weight},
      {"candidates", configuration.retrieval.candidates}, {"reranker", configuration.retrieval.reranker},
      {"encoder", configuration.encoder.model},           {"chunk_size", configuration.chunking.size}};
  json::object tuned;
  for (const auto& tuning : tunings) tuned[tuning.name] = tuning_json(tuning);
  if (!tuned.empty()) out["tuning"] = std::move(tuned);
  return out;
}

}  // namespace ragtime::server
