#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "server/commands.h"
#include "server/encoder_lookup.h"
#include "server/evaluation.h"
#include "server/evaluation_report.h"
#include "server/exit_code.h"
#include "server/json_text.h"
#include "server/stop_signals.h"
#include "server/trec_run.h"

namespace ragtime::server {
namespace {

Result<std::vector<EvaluationSet>> read_sets(const EvalOptions& options) {
  std::vector<EvaluationSet> sets;
  for (const auto& folder : options.folders) {
    RAGTIME_TRY(auto set, read_evaluation_set(folder));
    if (options.queries > 0) sample_queries(set, static_cast<std::size_t>(options.queries), options.seed);
    sets.push_back(std::move(set));
  }
  return sets;
}

Result<SetResult> run_set(const EvaluationSet& set, const EvalOptions& options, const Configuration& configured,
                          Invocation& invocation, RequestContext& context) {
  RAGTIME_TRY(const auto directory,
              options.keep ? EvaluationDirectory::kept(configured, set) : EvaluationDirectory::temporary());
  RAGTIME_TRY(auto configuration, evaluation_configuration(configured, directory.path()));
  const auto log = telemetry::Logger::null();
  RAGTIME_TRY(auto runtime, Runtime::open(std::move(configuration), *log));
  EvaluationOptions how;
  how.k = static_cast<std::size_t>(options.k);
  how.tune = options.tune;
  how.rankings = !options.runs_folder.empty();
  how.quiet = options.quiet;
  return async::sync_wait(evaluate(std::move(runtime), set, how, invocation.err, context));
}

Result<void> write_json(const std::string& file, const boost::json::object& report) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << pretty_json(report) << "\n";
  out.close();
  if (out) return {};
  return make_error(ErrorCode::unavailable, fmt::format("{} cannot be written; is there such a folder?", file));
}

// Says why dense and hybrid will be missing, before the work begins.
void print_notice(const Configuration& configured, Invocation& invocation) {
  auto resolved = evaluation_configuration(configured, configured.server.data_dir);
  if (resolved.has_error()) return;
  const auto found = find_encoder(resolved->encoder, configured.server.data_dir);
  if (found.has_value() && !found->notice.empty()) {
    invocation.err.line(invocation.err.styled(Style::dim, "note: " + found->notice));
  }
}

std::vector<TuningReport> tune(const std::vector<SetResult>& results, const Configuration& configuration,
                               const ReportOptions& report, Invocation& invocation) {
  std::vector<TuningReport> tunings;
  const bool has_fusion = std::none_of(results.begin(), results.end(), [](auto& set) { return set.settings.empty(); });
  if (has_fusion) tunings.push_back(tune_fusion(results, configuration, report));
  if (!has_fusion) invocation.err.line("without an embedding model there is no fusion to tune");
  tunings.push_back(tune_bm25(results, configuration, report));
  for (const auto& tuning : tunings) print_tuning(tuning, report, invocation.out);
  return tunings;
}

int finish(const std::vector<SetResult>& results, const EvalOptions& options, const Configuration& configuration,
           Invocation& invocation) {
  const ReportOptions report{static_cast<std::size_t>(options.k), options.seed};
  if (results.size() > 1) print_means(results, report, invocation.out);
  std::vector<TuningReport> tunings;
  if (options.tune) tunings = tune(results, configuration, report, invocation);
  if (options.json_file.empty()) return kExitDone;
  const auto written =
      write_json(options.json_file, report_json(results, configuration, tunings, report));
  return written.has_error() ? fail(invocation, written.error().message, kExitFailed) : kExitDone;
}

}  // namespace

int eval_command(const EvalOptions& options, Invocation& invocation) {
  RequestContext context(make_id("req-"), std::string(kLocalTenant), Deadline::never());
  StopSignals signals([&context] { context.cancel(); });
  auto sets = read_sets(options);
  if (sets.has_error()) return fail(invocation, sets.error().message, kExitUsage);
  Configuration configuration = invocation.configuration.settings;
  if (!options.reranker.empty()) configuration.retrieval.reranker = options.reranker;
  print_notice(configuration, invocation);
  const ReportOptions report{static_cast<std::size_t>(options.k), options.seed};
  std::vector<SetResult> results;
  for (const auto& set : *sets) {
    auto result = run_set(set, options, configuration, invocation, context);
    if (signals.received()) return kExitInterrupted;
    if (result.has_error()) return fail(invocation, set.name + ": " + result.error().message, kExitFailed);
    print_set(*result, report, invocation.out);
    const auto written = options.runs_folder.empty() ? Result<void>() : write_runs(options.runs_folder, set, *result);
    if (written.has_error()) return fail(invocation, written.error().message, kExitFailed);
    results.push_back(std::move(*result));
  }
  return finish(results, options, configuration, invocation);
}

}  // namespace ragtime::server
