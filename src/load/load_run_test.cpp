#include "load/load_run.h"

#include <cstdio>
#include <fstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "load/load_report.h"
#include "load/prompts.h"
#include "load/reply_builder.h"
#include "load/report_page.h"
#include "load/scripted_upstream.h"

namespace ragtime::load {
namespace {

using namespace std::chrono_literals;

class Load : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(upstream_.start().has_value()); }

  LoadResult run(LoadConfig config, const std::string& model = "plain") {
    config.warm_up = 0ms;
    const auto bodies = Prompts::load({})->bodies(config, model);
    auto result = run_load({"t", upstream_.url(), model, "", {}}, config, bodies, {}, stop_);
    EXPECT_TRUE(result.has_value());
    return result.has_value() ? std::move(*result) : LoadResult();
  }
  static LoadConfig requests(std::size_t count, std::size_t concurrency = 2) {
    LoadConfig config;
    config.requests = count;
    config.concurrency = concurrency;
    config.answer_tokens = 5;
    config.timeout = 20s;
    return config;
  }

  std::atomic<bool> stop_ = false;
  ScriptedUpstream upstream_;
};

TEST_F(Load, ClosedLoopCountsAnswersAndTokens) {
  const auto result = run(requests(20));
  EXPECT_GE(result.ok, 20u);
  EXPECT_LE(result.ok, 21u);
  EXPECT_EQ(result.failed, 0u);
  EXPECT_EQ(result.output_tokens, result.ok * 5);
  EXPECT_EQ(result[Measure::ttft].count(), result.ok);
  EXPECT_EQ(result[Measure::itl].count(), result.ok * 4);
  EXPECT_GT(result.requests_per_second(), 0);
  EXPECT_EQ(upstream_.log().totals().connections, 2u);
}

TEST_F(Load, OpenLoopSendsAtItsRateWhateverHappens) {
  LoadConfig config = requests(40);
  config.rate = 2000;
  const auto result = run(config, "slow-first-token@ms=50");
  EXPECT_EQ(result.ok, 40u);
  EXPECT_EQ(result[Measure::send_delay].count(), 40u);
  EXPECT_GE(result[Measure::ttft].min_ms(), 50);
  EXPECT_GT(upstream_.log().totals().connections, 10u);
}

TEST_F(Load, FailuresAreNamed) {
  const auto kind = [&](const std::string& model, bool stream = true) {
    LoadConfig config = requests(1, 1);
    config.stream = stream;
    const auto result = run(config, model);
    EXPECT_EQ(result.ok, 0u) << model;
    return result.errors.empty() ? std::string() : result.errors.begin()->first;
  };
  EXPECT_EQ(kind("unavailable"), "http_503");
  EXPECT_EQ(kind("truncated"), "truncated");
  EXPECT_EQ(kind("no-finish"), "truncated");
  EXPECT_EQ(kind("error-later"), "error_event");
  EXPECT_EQ(kind("cut"), "cut");
  EXPECT_EQ(kind("reset"), "connection");
  EXPECT_EQ(kind("error-200", false), "error_body");
  EXPECT_EQ(kind("length-too-long", false), "cut");
}

TEST_F(Load, TimeoutsEndRequests) {
  LoadConfig config = requests(1, 1);
  config.timeout = 50ms;
  EXPECT_EQ(run(config, "stuck").errors.begin()->first, "timeout");
}

TEST_F(Load, AKeptConnectionThatTheServerClosedIsNoFailure) {
  LoadConfig config = requests(5, 1);
  config.stream = false;
  const auto result = run(config, "close-after");
  EXPECT_EQ(result.failed, 0u);
}

TEST_F(Load, TextIsComparedWithTheReference) {
  LoadConfig config = requests(1, 1);
  config.reference = answer_text(5);
  EXPECT_EQ(run(config).ok, 1u);
  config.reference = "another";
  EXPECT_EQ(run(config).errors.begin()->first, "mismatch");
}

TEST_F(Load, GoodputCountsAnswersWithinTheSlo) {
  LoadConfig config = requests(4, 1);
  config.slo.ttft_ms = 10'000;
  EXPECT_EQ(run(config).good, 4u);
  config.slo.ttft_ms = 1;
  const auto late = run(config, "slow-first-token@ms=20");
  EXPECT_EQ(late.ok, 4u);
  EXPECT_EQ(late.good, 0u);
}

TEST_F(Load, OtherOperations) {
  for (const auto operation : {LoadOperation::embeddings, LoadOperation::rerank, LoadOperation::completions}) {
    LoadConfig config = requests(3, 1);
    config.operation = operation;
    config.stream = operation == LoadOperation::completions;
    EXPECT_EQ(run(config).ok, 3u);
  }
}

TEST_F(Load, StopsWhenTold) {
  LoadConfig config = requests(0, 1);
  config.duration = 60s;
  const auto bodies = Prompts::load({})->bodies(config, "stuck");
  const auto result = run_load({"t", upstream_.url(), "stuck", "", {}}, config, bodies,
                               [&](const LoadProgress& progress) { stop_ = progress.in_flight == 1; }, stop_);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->ok + result->failed, 0u);
}

TEST(LoadTargets, MustBeUrls) {
  std::atomic<bool> stop = false;
  EXPECT_TRUE(run_load({"t", "nonsense://x", "m", "", {}}, {}, {"{}"}, {}, stop).has_error());
}

TEST(Prompts, AreSyntheticOrReadFromLines) {
  PromptConfig config;
  config.tokens = 100;
  config.shared_tokens = 50;
  config.count = 3;
  const auto bodies = Prompts::load(config)->bodies({}, "m");
  ASSERT_EQ(bodies.size(), 3u);
  EXPECT_NE(bodies[0], bodies[1]);
  EXPECT_EQ(bodies[0].substr(0, 200), bodies[1].substr(0, 200));
  EXPECT_NEAR(double(bodies[0].size()), 400, 150);
  const std::string file = testing::TempDir() + "prompts.jsonl";
  std::ofstream(file) << "plain words\n{\"prompt\":\"asked\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n";
  config.file = file;
  const auto read = Prompts::load(config);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->size(), 3u);
  std::ofstream(file) << "{\"other\":1}\n";
  EXPECT_NE(Prompts::load(config).error().message.find(":1:"), std::string::npos);
  std::remove(file.c_str());
  EXPECT_TRUE(Prompts::load(config).has_error());
}

LoadReport report_of(std::vector<double> a_ms, std::vector<double> b_ms) {
  LoadReport report;
  report.started = "2026-01-01T00:00:00Z";
  const auto target = [](const std::string& name, const std::vector<double>& rounds) {
    TargetReport out{name, "http://x/v1", "m", {}};
    for (const double ms : rounds) {
      LoadResult result;
      result.ok = 10;
      result.work = {10, 10, 0, 1};
      for (int i = 0; i < 10; ++i) {
        result[Measure::e2e].record(std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6)));
      }
      result.timeline.resize(2);
      out.rounds.push_back(result);
    }
    return out;
  };
  report.targets = {target("A <b>", a_ms), target("B", b_ms)};
  return report;
}

TEST(LoadReport, ComparesRoundByRound) {
  const auto report = report_of({10, 20, 40}, {20, 40, 120});
  for (const auto& row : compare(report.targets[0], report.targets[1])) {
    if (row.figure->key != "e2e_p50") continue;
    EXPECT_NEAR(row.ratio, 2, 0.05);
    EXPECT_NEAR(row.ratio_low, 2, 0.05);
    EXPECT_NEAR(row.ratio_high, 3, 0.05);
    EXPECT_NEAR(row.a, 20, 0.3);
  }
}

TEST(LoadReport, IsReadAsItWasWritten) {
  const auto report = report_of({10, 20}, {30, 40});
  const auto again = read_report(boost::json::serialize(to_json(report)));
  ASSERT_TRUE(again.has_value());
  ASSERT_EQ(again->targets.size(), 2u);
  EXPECT_EQ(again->targets[1].rounds.size(), 2u);
  for (const auto& figure : figures()) {
    EXPECT_EQ(median_of(report.targets[0], figure).has_value(), median_of(again->targets[0], figure).has_value());
  }
  EXPECT_TRUE(read_report("{}").has_error());
  EXPECT_TRUE(read_report("nonsense").has_error());
  EXPECT_TRUE(read_report(R"({"targets":[{"rounds":[{}]}]})").has_error());
}

TEST(ReportPage, NeedsNothingElseAndEscapesNames) {
  const std::string page = report_page(report_of({10, 20}, {30, 40}));
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("href="), std::string::npos);
  EXPECT_NE(page.find("A &lt;b&gt;"), std::string::npos);
  EXPECT_EQ(page.find("A <b>"), std::string::npos);
  EXPECT_NE(page.find("完整回答"), std::string::npos);
  EXPECT_NE(page.find("<polyline"), std::string::npos);
}

}  // namespace
}  // namespace ragtime::load
