// `ragtime bench`: what its options mean, and how results look on a terminal.
//
// Thread safety: pure functions but for printing; main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/load_config.h"
#include "load/load_report.h"
#include "load/prompts.h"
#include "server/commands.h"

namespace ragtime::server {

struct BenchPlan {
  std::vector<load::LoadTarget> targets;
  load::LoadConfig config;
  load::PromptConfig prompts;
};

// Errors: invalid_argument, with what to write instead.
Result<BenchPlan> plan_bench(const BenchOptions& options, const std::vector<std::string>& urls);
// "ttft=1000,tpot=50,e2e=20000", in milliseconds.
Result<load::Slo> parse_slo(const std::string& text);

void print_report(const load::LoadReport& report, Terminal& out);
// Ratios of `b` to `a` with their spread, and one sentence.
void print_comparison(const load::TargetReport& a, const load::TargetReport& b, Terminal& out);

}  // namespace ragtime::server
