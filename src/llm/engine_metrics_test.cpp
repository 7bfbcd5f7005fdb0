#include "llm/engine_metrics.h"

#include <gtest/gtest.h>

#include "llm/load_estimate.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

TEST(EngineMetrics, ReadsVllm) {
  const auto sample = parse_engine_metrics(
      "# HELP vllm:num_requests_running Number of requests.\n"
      "# TYPE vllm:num_requests_running gauge\n"
      "vllm:num_requests_running{engine=\"0\",model_name=\"a{b}\\\" c\"} 7.0\r\n"
      "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 3.0 1700000000000\n"
      "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n");
  EXPECT_EQ(sample.running, 7);
  EXPECT_EQ(sample.waiting, 3);
  EXPECT_EQ(sample.cache_use, 0.25);
}

TEST(EngineMetrics, ReadsTheOldNameOfTheCacheAndSglangAndLlamaCpp) {
  EXPECT_EQ(parse_engine_metrics("vllm:gpu_cache_usage_perc 0.5").cache_use, 0.5);
  const auto sglang = parse_engine_metrics("sglang:num_running_reqs{model_name=\"m\"} 2\nsglang:num_queue_reqs 1\nsglang:token_usage 0.75\n");
  EXPECT_EQ(sglang.running, 2);
  EXPECT_EQ(sglang.waiting, 1);
  EXPECT_EQ(sglang.cache_use, 0.75);
  const auto llama = parse_engine_metrics("llamacpp:requests_processing 4\nllamacpp:requests_deferred 2\n");
  EXPECT_EQ(llama.running, 4);
  EXPECT_EQ(llama.waiting, 2);
  EXPECT_FALSE(llama.cache_use);
}

TEST(EngineMetrics, SeveralEnginesAddUp) {
  const auto sample = parse_engine_metrics(
      "vllm:num_requests_running{engine=\"0\"} 2\nvllm:num_requests_running{engine=\"1\"} 3\n"
      "vllm:kv_cache_usage_perc{engine=\"0\"} 0.2\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.9\n");
  EXPECT_EQ(sample.running, 5);
  EXPECT_EQ(sample.cache_use, 0.9);
}

// Shipped elsewhere: a figure that could not be read became 0, and a saturated server looked idle.
TEST(EngineMetrics, WhatCannotBeReadIsUnknownAndNotZero) {
  for (const char* text : {"", "<html>502</html>", "vllm:num_requests_waiting", "vllm:num_requests_waiting ",
                           "vllm:num_requests_waiting many", "vllm:num_requests_waiting NaN",
                           "vllm:num_requests_waiting +Inf", "vllm:num_requests_waiting -1",
                           "vllm:num_requests_waiting{engine=\"0\" 3", "vllm:num_requests_waiting 3x",
                           "# vllm:num_requests_waiting 3", "vllm:kv_cache_usage_perc 87"}) {
    EXPECT_FALSE(parse_engine_metrics(text).known()) << text;
  }
}

// Shipped elsewhere: the name was compared by its beginning and other metrics were added in.
TEST(EngineMetrics, NamesAreComparedWhole) {
  const auto sample = parse_engine_metrics(
      "vllm:num_requests_waiting 2\n"
      "vllm:num_requests_waiting_total 900\n"
      "vllm:num_requests_waiting_by_reason{reason=\"deferred\"} 500\n"
      "vllm:num_requests_running_max 70\n");
  EXPECT_EQ(sample.waiting, 2);
  EXPECT_FALSE(sample.running);
}

TEST(EngineMetrics, OnlyWhatLacksCapacityWaits) {
  const auto sample = parse_engine_metrics(
      "vllm:num_requests_waiting 9\n"
      "vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 1\n"
      "vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"deferred\"} 8\n"
      "vllm:num_requests_waiting_by_reason{engine=\"1\",other_reason=\"capacity\"} 50\n");
  EXPECT_EQ(sample.waiting, 1);
}

class LoadEstimateTest : public testing::Test {
 protected:
  double load(LeasedLoad leased, EngineSample sample, milliseconds age, std::size_t leased_then = 0) {
    return estimate_load(leased, PolledLoad{sample, now_ - age, leased_then}, {}, now_);
  }
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(LoadEstimateTest, TokensCountAsPartsOfRequests) {
  EXPECT_DOUBLE_EQ(estimate_load({2, 8'192}, std::nullopt, {}, now_), 4);
}

TEST_F(LoadEstimateTest, RequestsOfOthersCountAndOursDoNotCountTwice) {
  EXPECT_DOUBLE_EQ(load({5, 0}, {.running = 12.0}, milliseconds(0), 5), 12);
  EXPECT_DOUBLE_EQ(load({5, 0}, {.running = 3.0}, milliseconds(0), 5), 5) << "never less than our own";
}

TEST_F(LoadEstimateTest, WaitingWeighsMoreThanRunning) {
  EXPECT_GT(load({}, {.running = 5.0, .waiting = 5.0}, milliseconds(0)), load({}, {.running = 10.0}, milliseconds(0)));
}

TEST_F(LoadEstimateTest, AFullCacheMakesAnEndpointLessAttractiveEvenWithFewRequests) {
  EXPECT_GT(load({2, 0}, {.running = 2.0, .cache_use = 0.95}, milliseconds(0), 2),
            load({4, 0}, {.running = 4.0, .cache_use = 0.3}, milliseconds(0), 4));
}

TEST_F(LoadEstimateTest, UnknownAddsNothing) {
  EXPECT_DOUBLE_EQ(load({3, 0}, {}, milliseconds(0)), 3);
}

TEST_F(LoadEstimateTest, OldSamplesFadeTowardOurOwnCounts) {
  const EngineSample busy{.running = 30.0, .waiting = {}, .cache_use = {}};
  EXPECT_DOUBLE_EQ(load({1, 0}, busy, milliseconds(900), 1), 30);
  EXPECT_DOUBLE_EQ(load({1, 0}, busy, milliseconds(3'000), 1), 1 + 29 / 2.0);
  EXPECT_DOUBLE_EQ(load({1, 0}, busy, milliseconds(5'000), 1), 1);
}

}  // namespace
}  // namespace ragtime::llm
