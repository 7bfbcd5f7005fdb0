#include <gtest/gtest.h>

#include "server/bench_command.h"
#include "server/captured_terminal_for_test.h"

namespace ragtime::server {
namespace {

std::string error_of(const BenchOptions& options, const std::vector<std::string>& urls = {"http://a/v1"}) {
  const auto plan = plan_bench(options, urls);
  return plan.has_error() ? plan.error().message : std::string();
}

TEST(BenchPlan, TakesUrlsWithAndWithoutScheme) {
  BenchOptions options;
  options.models = {"m"};
  const auto plan = plan_bench(options, {"127.0.0.1:9001", "https://x/v1"});
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->targets[0].url, "http://127.0.0.1:9001/v1");
  EXPECT_EQ(plan->targets[1].url, "https://x/v1");
  EXPECT_EQ(plan->targets[1].model, "m");
}

TEST(BenchPlan, MistakesAreNamed) {
  BenchOptions options;
  EXPECT_NE(error_of(options, {}).find("base URLs"), std::string::npos);
  EXPECT_NE(error_of(options, {"http://"}).find("no URL"), std::string::npos);
  options.slo = "ttft=fast";
  EXPECT_NE(error_of(options).find("--slo"), std::string::npos);
  options.slo = "latency=3";
  EXPECT_NE(error_of(options).find("ttft=MS"), std::string::npos);
  options.slo = "";
  options.models = {"a", "b"};
  EXPECT_NE(error_of(options).find("--model"), std::string::npos);
  options.models = {};
  options.extra = "[1]";
  EXPECT_NE(error_of(options).find("--extra"), std::string::npos);
  options.extra = "";
  options.headers = {"no colon"};
  EXPECT_NE(error_of(options).find("--header"), std::string::npos);
  options.headers = {};
  options.operation = "search";
  EXPECT_NE(error_of(options).find("--store"), std::string::npos);
  options.operation = "dance";
  EXPECT_NE(error_of(options).find("--operation"), std::string::npos);
  options.operation = "chat";
  options.rate = 5;
  options.concurrency_given = true;
  EXPECT_NE(error_of(options).find("choose one"), std::string::npos);
}

TEST(BenchPlan, ReadsTheSlo) {
  const auto slo = parse_slo("ttft=1000,tpot=50.5");
  ASSERT_TRUE(slo.has_value());
  EXPECT_EQ(*slo->ttft_ms, 1000);
  EXPECT_EQ(*slo->tpot_ms, 50.5);
  EXPECT_FALSE(slo->e2e_ms);
}

TEST(BenchOutput, SaysWhatFailedAndHowTargetsCompare) {
  load::LoadReport report;
  report.targets = {{"one", "http://a/v1", "m", {}}, {"two", "http://b/v1", "m", {}}};
  for (std::size_t i = 0; i < 2; ++i) {
    load::LoadResult result;
    result.ok = 10 * (i + 1);
    result.work = {result.ok, 0, 0, 1};
    result[load::Measure::e2e].record(std::chrono::milliseconds(7));
    if (i == 1) result.fail("truncated", "no finish_reason");
    report.targets[i].rounds = {result, result};
  }
  CapturedTerminal terminal;
  print_report(report, *terminal);
  print_comparison(report.targets[0], report.targets[1], *terminal);
  const std::string text = terminal.text();
  EXPECT_NE(text.find("2 truncated"), std::string::npos) << text;
  EXPECT_NE(text.find("two answers 2.00 times as many requests per second as one"), std::string::npos) << text;
  EXPECT_NE(text.find("whole answer"), std::string::npos) << text;
}

}  // namespace
}  // namespace ragtime::server
