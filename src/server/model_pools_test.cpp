#include "server/model_pools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/module_settings.h"

namespace ragtime::server {
namespace {

constexpr const char* kModels = R"(
[[models]]
name = "chat"
balance = "power_of_two"
fallbacks = ["backup", "ragtime-extractive"]
endpoints = [{url = "http://127.0.0.1:1/v1", weight = 2}, {url = "http://127.0.0.1:2/v1", model = "other"}]
breaker = {failures = 7, failure_percent = 40, open_ms = 100, open_max_ms = 900, slow_start_ms = 50}
metrics = {interval_ms = 0, stale_ms = 700}
health = {interval_ms = 0}
admission = {adaptive = false, limit = 9, limit_min = 3, limit_max = 99, queue_max = 5, queue_wait_ms = 40}
[[models]]
name = "backup"
endpoints = [{url = "http://127.0.0.1:3/v1"}]
[[models]]
name = "vectors"
task = "embedding"
dimensions = 8
discovery = {file = "endpoints.json", interval_ms = 200, model = "upstream"}
)";

Configuration configuration(const std::string& text) {
  const auto nothing = [](std::string_view) { return std::optional<std::string>(); };
  auto parsed = parse_configuration(text, "ragtime.toml", nothing);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed.has_value() ? *parsed : Configuration{};
}

class ModelPoolsTest : public testing::Test {
 protected:
  ModelPools& open(const Configuration& settings) {
    pools_.emplace(settings, client_, blocking_, *log_, metrics_);
    return *pools_;
  }
  std::vector<std::string> urls(const std::string& model) {
    std::vector<std::string> out;
    for (const auto& pool : pools_->status()) {
      if (pool.model != model) continue;
      for (const auto& endpoint : pool.endpoints) out.push_back(endpoint.url);
    }
    return out;
  }

  http::Client client_;
  async::ThreadPool blocking_{{.name = "blocking", .threads = 1, .queue_max = 16}};
  std::unique_ptr<telemetry::Logger> log_ = telemetry::Logger::null();
  telemetry::Metrics metrics_;
  std::optional<ModelPools> pools_;
};

TEST_F(ModelPoolsTest, SettingsReachThePool) {
  const auto settings = configuration(kModels);
  const auto pool = pool_config(settings.models.at(0));
  EXPECT_EQ(pool.balance, llm::Balance::power_of_two);
  EXPECT_EQ(pool.endpoints.at(0).model, "chat");
  EXPECT_EQ(pool.endpoints.at(0).weight, 2);
  EXPECT_EQ(pool.endpoints.at(1).model, "other");
  EXPECT_EQ(pool.health.failures, 7u);
  EXPECT_DOUBLE_EQ(pool.health.failure_share, 0.4);
  EXPECT_EQ(pool.health.open_max, std::chrono::milliseconds(900));
  EXPECT_EQ(pool.limit.initial, 9u);
  EXPECT_FALSE(pool.limit.adaptive);
  EXPECT_EQ(pool.queue.waiting_max, 5u);
  EXPECT_EQ(pool.freshness.stale, std::chrono::milliseconds(700));
  EXPECT_TRUE(pool_config(settings.models.at(2)).endpoints_follow);
}

TEST_F(ModelPoolsTest, EveryRemoteModelHasAPoolAndChatModelsTheGateway) {
  const auto settings = configuration(kModels);
  ModelPools& pools = open(settings);
  EXPECT_EQ(pools.status().size(), 3u);
  const auto models = pools.gateway_models(settings);
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].pool->model(), "chat");
  EXPECT_THAT(models[0].fallbacks, testing::ElementsAre("backup"));
  EXPECT_EQ(pools.parts("vectors").pool.model(), "vectors");
  EXPECT_THAT(metrics_.render(), testing::HasSubstr("ragtime_endpoint_limit{endpoint=\"http://127.0.0.1:1/v1\",model=\"chat\"} 9"));
}

TEST_F(ModelPoolsTest, ReloadTakesTheEndpointsOfKnownModelsAlone) {
  ModelPools& pools = open(configuration(kModels));
  pools.reload(configuration(R"(
[[models]]
name = "chat"
endpoints = [{url = "http://127.0.0.1:9/v1"}]
[[models]]
name = "new"
endpoints = [{url = "http://127.0.0.1:8/v1"}]
)"));
  EXPECT_THAT(urls("chat"), testing::ElementsAre("http://127.0.0.1:9/v1"));
  EXPECT_THAT(urls("backup"), testing::ElementsAre("http://127.0.0.1:3/v1"));
  EXPECT_EQ(pools.status().size(), 3u);
}

TEST(DiscoverySettings, ContradictionsAreRefused) {
  const auto nothing = [](std::string_view) { return std::optional<std::string>(); };
  const auto problem = [&](const std::string& discovery) {
    const auto parsed = parse_configuration("[[models]]\nname = \"a\"\ndiscovery = {" + discovery + "}\n", "f", nothing);
    return parsed.has_error() ? parsed.error().message : "none";
  };
  EXPECT_EQ(problem("dns = \"http://models.internal:8000/v1\""), "none");
  EXPECT_EQ(problem("srv = \"_http._tcp.models.internal\""), "none");
  EXPECT_THAT(problem("dns = \"http://a/v1\", file = \"b\""), testing::HasSubstr("only one of"));
  EXPECT_THAT(problem("dns = \"https://a/v1\""), testing::HasSubstr("must be an http:// address"));
  EXPECT_THAT(problem("model = \"m\""), testing::HasSubstr("at least one endpoint"));
}

// Shipped elsewhere: servers were asked for their metrics so often that rendering them slowed the answers down.
TEST(PollSettings, ServersAreNotAskedTooOften) {
  const auto nothing = [](std::string_view) { return std::optional<std::string>(); };
  const auto parsed = parse_configuration(
      "[[models]]\nname = \"a\"\nendpoints = [{url = \"http://x/v1\"}]\nmetrics = {interval_ms = 50}\n", "f", nothing);
  ASSERT_TRUE(parsed.has_error());
  EXPECT_THAT(parsed.error().message, testing::HasSubstr("models[0].metrics.interval_ms: must be 0"));
}

}  // namespace
}  // namespace ragtime::server
