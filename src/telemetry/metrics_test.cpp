#include "telemetry/metrics.h"

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::telemetry {
namespace {

using testing::HasSubstr;

TEST(Metrics, RendersCountersWithHelpAndType) {
  Metrics metrics;
  metrics.counter("ragtime_requests_total", "Requests.", {{"route", "/v1"}}).add(2);
  metrics.counter("ragtime_requests_total", "Another help.", {{"route", "/v2"}}).add(0.5);
  EXPECT_EQ(metrics.render(),
            "# HELP ragtime_requests_total Requests.\n"
            "# TYPE ragtime_requests_total counter\n"
            "ragtime_requests_total{route=\"/v1\"} 2\n"
            "ragtime_requests_total{route=\"/v2\"} 0.5\n");
}

TEST(Metrics, RendersHistogramsCumulatively) {
  Metrics metrics;
  auto& histogram = metrics.histogram("ragtime_seconds", "Time.", {{"a", "b"}}, {0.25, 1});
  for (const double value : {0.25, 0.5, 0.75, 4.0}) histogram.observe(value);
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_EQ(metrics.render(),
            "# HELP ragtime_seconds Time.\n"
            "# TYPE ragtime_seconds histogram\n"
            "ragtime_seconds_bucket{a=\"b\",le=\"0.25\"} 1\n"
            "ragtime_seconds_bucket{a=\"b\",le=\"1\"} 3\n"
            "ragtime_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n"
            "ragtime_seconds_sum{a=\"b\"} 5.5\n"
            "ragtime_seconds_count{a=\"b\"} 4\n");
}

TEST(Metrics, HistogramWithoutLabels) {
  Metrics metrics;
  metrics.histogram("h", "Help.").observe(100);
  EXPECT_THAT(metrics.render(), HasSubstr("h_bucket{le=\"60\"} 0\nh_bucket{le=\"+Inf\"} 1\nh_sum 100\nh_count 1\n"));
}

TEST(Metrics, EscapesHelpAndLabelValues) {
  Metrics metrics;
  metrics.gauge("g", "a \"quoted\" \\ word\nnext", {{"l", "x\"y\\z\n"}}).set(1);
  const std::string text = metrics.render();
  EXPECT_THAT(text, HasSubstr("# HELP g a \"quoted\" \\\\ word\\nnext\n"));
  EXPECT_THAT(text, HasSubstr("g{l=\"x\\\"y\\\\z\\n\"} 1\n"));
}

TEST(Metrics, TheSameNameAndLabelsAreOneInstrument) {
  Metrics metrics;
  auto& first = metrics.gauge("g", "Help.", {{"a", "1"}, {"b", "2"}});
  auto& second = metrics.gauge("g", "Help.", {{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(&first, &second);
  EXPECT_NE(&first, &metrics.gauge("g", "Help.", {{"a", "1"}}));
}

TEST(Metrics, GaugesMoveBothWaysAndKnowInfinity) {
  Metrics metrics;
  auto& gauge = metrics.gauge("g", "Help.");
  gauge.set(2);
  gauge.add(-3);
  EXPECT_EQ(gauge.value(), -1);
  EXPECT_THAT(metrics.render(), HasSubstr("g -1\n"));
  gauge.set(std::numeric_limits<double>::infinity());
  EXPECT_THAT(metrics.render(), HasSubstr("g +Inf\n"));
  gauge.set(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(metrics.render(), HasSubstr("g NaN\n"));
}

TEST(Metrics, CountsExactlyFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      auto& counter = metrics.counter("c", "Help.");
      auto& histogram = metrics.histogram("h", "Help.");
      for (int n = 0; n < 10'000; ++n) {
        counter.add();
        histogram.observe(1);
      }
      metrics.render();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(metrics.counter("c", "Help.").value(), 40'000);
  EXPECT_EQ(metrics.histogram("h", "Help.").count(), 40'000);
}

TEST(MetricsDeathTest, RefusesMistakesOfTheProgram) {
  Metrics metrics;
  metrics.counter("c", "Help.");
  EXPECT_DEATH(metrics.gauge("c", "Help."), "type");
  EXPECT_DEATH(metrics.counter("bad name", "Help."), "valid_name");
  EXPECT_DEATH(metrics.counter("d", "Help.", {{"1x", "v"}}), "valid_name");
  EXPECT_DEATH(metrics.counter("c", "Help.").add(-1), "amount");
}

}  // namespace
}  // namespace ragtime::telemetry
