#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json/array.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "load/load_run.h"
#include "load/report_page.h"
#include "server/bench_command.h"
#include "server/exit_code.h"
#include "server/json_text.h"
#include "server/stop_signals.h"
#include "server/version.h"

namespace ragtime::server {
namespace {

std::string now_text() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (out) return {};
  return make_error(ErrorCode::unavailable, path + " cannot be written; is there such a folder?");
}

// Before minutes of load: whether the results will have a place.
Result<void> check_writable(const BenchOptions& options) {
  for (const auto& path : {options.json_file, options.html_file}) {
    if (path.empty()) continue;
    const auto folder = std::filesystem::path(path).parent_path();
    std::error_code ignored;
    if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
      return make_error(ErrorCode::invalid_argument, fmt::format("{}: there is no folder {}", path, folder.string()));
    }
  }
  return {};
}

boost::json::object settings_of(const BenchPlan& plan, const BenchOptions& options) {
  const auto& config = plan.config;
  boost::json::object out{{"operation", options.operation}, {"stream", config.stream}};
  if (config.rate > 0) {
    out["rate"] = config.rate;
    out["arrivals"] = config.poisson ? "poisson" : "constant";
  } else {
    out["concurrency"] = config.concurrency;
  }
  if (config.requests > 0) {
    out["requests"] = config.requests;
  } else {
    out["seconds"] = options.duration;
  }
  out["warm_up_seconds"] = options.warm_up;
  out["prompts"] = plan.prompts.file.empty() ? fmt::format("synthetic, {} tokens, {} of them shared",
                                                           plan.prompts.tokens, plan.prompts.shared_tokens)
                                             : plan.prompts.file;
  out["answer_tokens"] = config.answer_tokens;
  if (!options.slo.empty()) out["slo"] = options.slo;
  out["seed"] = config.seed;
  return out;
}

std::string progress_text(const load::LoadProgress& progress, const std::string& name) {
  std::string out = fmt::format("{}: {} answered", name, format_count(progress.ok));
  if (progress.failed > 0) out += fmt::format(", {} failed", format_count(progress.failed));
  out += fmt::format(", {} running", format_count(progress.in_flight));
  return progress.warming_up ? name + ": warming up" : out;
}

class BenchRun {
 public:
  BenchRun(const BenchPlan& plan, const BenchOptions& options, Invocation& invocation)
      : plan_(plan), options_(options), invocation_(invocation) {}

  // Rounds are interleaved, so that what changes on the machine meanwhile hits all targets alike.
  Result<load::LoadReport> run() {
    RAGTIME_TRY(const auto prompts, load::Prompts::load(plan_.prompts));
    load::LoadReport report;
    report.started = now_text();
    report.version = version();
    report.command = options_.command;
    report.settings = settings_of(plan_, options_);
    report.has_slo = !plan_.config.slo.empty();
    for (const auto& target : plan_.targets) report.targets.push_back({target.name, target.url, target.model, {}});
    const std::size_t rounds = options_.rounds > 0 ? options_.rounds : plan_.targets.size() > 1 ? 3 : 1;
    const bool by_time = plan_.config.requests == 0;
    const std::size_t length = by_time ? seconds_of_round() : plan_.config.requests;
    const std::size_t total = rounds * plan_.targets.size() * length;
    Progress progress(invocation_.err, by_time ? "s" : "requests", total, options_.quiet);
    std::size_t before = 0;
    for (std::size_t round = 0; round < rounds && !stop_; ++round) {
      for (std::size_t i = 0; i < plan_.targets.size() && !stop_; ++i) {
        load::LoadConfig config = plan_.config;
        config.seed += round;
        const auto& target = plan_.targets[i];
        const auto show = [&](const load::LoadProgress& state) {
          const auto done = by_time ? static_cast<std::size_t>(state.elapsed.count()) / 1000 : state.ok + state.failed;
          progress.update(before + std::min(done, length), progress_text(state, target.name));
        };
        RAGTIME_TRY(auto result, load::run_load(target, config, prompts.bodies(config, target.model), show, stop_));
        report.targets[i].rounds.push_back(std::move(result));
        before += length;
      }
    }
    return report;
  }

  bool stopped() const { return stop_; }

 private:
  std::size_t seconds_of_round() const {
    return std::max<std::size_t>(1, static_cast<std::size_t>((plan_.config.warm_up + plan_.config.duration).count() / 1000));
  }

  const BenchPlan& plan_;
  const BenchOptions& options_;
  Invocation& invocation_;
  std::atomic<bool> stop_ = false;
  StopSignals signals_{[this] { stop_ = true; }};
};

Result<void> save(const load::LoadReport& report, const BenchOptions& options) {
  if (!options.json_file.empty()) {
    RAGTIME_TRY_DONE(write_file(options.json_file, pretty_json(load::to_json(report)) + "\n"));
  }
  if (!options.html_file.empty()) RAGTIME_TRY_DONE(write_file(options.html_file, load::report_page(report)));
  return {};
}

int finish(const load::LoadReport& report, const BenchOptions& options, bool stopped, Invocation& invocation) {
  print_report(report, invocation.out);
  for (std::size_t i = 1; i < report.targets.size(); ++i) {
    if (report.targets[i].rounds.empty()) continue;
    print_comparison(report.targets[0], report.targets[i], invocation.out);
  }
  if (auto saved = save(report, options); saved.has_error()) {
    return fail(invocation, saved.error().message, kExitFailed);
  }
  if (stopped) return kExitInterrupted;
  for (const auto& target : report.targets) {
    if (target.total().ok == 0) return kExitFailed;
  }
  return kExitDone;
}

Result<load::TargetReport> read_target(const std::string& path) {
  auto report = load::read_report(read_file(path));
  if (report.has_error()) return make_error(ErrorCode::invalid_argument, path + ": " + report.error().message);
  auto target = std::move(report->targets.front());
  if (report->targets.size() > 1) {
    return make_error(ErrorCode::invalid_argument,
                      path + ": holds several targets; `ragtime bench` has compared them already");
  }
  return target;
}

int compare_files(const BenchOptions& options, Invocation& invocation) {
  load::LoadReport report;
  for (const auto& path : options.urls) {
    auto target = read_target(path);
    if (target.has_error()) return fail(invocation, target.error().message, kExitUsage);
    // Two runs of one address are told apart by their files.
    if (!report.targets.empty() && report.targets.front().name == target->name) {
      report.targets.front().name = options.urls.front();
      target->name = path;
    }
    report.targets.push_back(std::move(*target));
  }
  report.started = now_text();
  report.version = version();
  report.command = options.command;
  return finish(report, options, false, invocation);
}

bool is_file(const std::string& text) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(text, ignored);
}

}  // namespace

int bench_command(const BenchOptions& options, Invocation& invocation) {
  auto plan = plan_bench(options, options.urls);
  if (plan.has_value()) {
    if (auto writable = check_writable(options); writable.has_error()) plan = writable.error();
  }
  if (plan.has_error()) return fail(invocation, plan.error().message, kExitUsage);
  BenchRun run(*plan, options, invocation);
  auto report = run.run();
  if (report.has_error()) return fail(invocation, report.error().message, kExitUsage);
  return finish(*report, options, run.stopped(), invocation);
}

int bench_compare_command(const BenchOptions& options, Invocation& invocation) {
  const auto files = std::count_if(options.urls.begin(), options.urls.end(), is_file);
  if (files == 0) {
    for (const auto& text : options.urls) {
      if (text.ends_with(".json")) return fail(invocation, text + ": there is no such file", kExitUsage);
    }
    return bench_command(options, invocation);
  }
  if (files == 1) return fail(invocation, "compare two files or two URLs, not one of each", kExitUsage);
  return compare_files(options, invocation);
}

}  // namespace ragtime::server
