#include "load/scripted_upstream.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/raw_client.h"
#include "load/reply_builder.h"

namespace ragtime::load {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

std::string post(std::string_view path, std::string_view body, std::string_view fields = {}) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}",
                     path, body.size(), fields, body);
}

std::string chat(std::string_view model, bool stream = true, std::string_view more = {}) {
  return post("/v1/chat/completions", fmt::format(R"({{"model":"{}","stream":{},"messages":[{{"role":"user","content":"hello"}}]{}}})",
                                                  model, stream, more));
}

std::string body_of(const std::string& reply) {
  return reply.substr(reply.find("\r\n\r\n") + 4);
}

class Upstream : public testing::Test {
 protected:
  ScriptedUpstream& start(UpstreamConfig config = {}) {
    upstream_ = std::make_unique<ScriptedUpstream>(std::move(config));
    EXPECT_TRUE(upstream_->start().has_value());
    return *upstream_;
  }
  http::RawClient client() { return http::RawClient(upstream_->port()); }

  std::unique_ptr<ScriptedUpstream> upstream_;
};

TEST_F(Upstream, AnswersOneRequestAfterAnotherAndRecordsThem) {
  auto& upstream = start();
  http::RawClient client(upstream.port());
  client.send(chat("any-model", false));
  const auto body = json::parse(body_of(client.read_reply()));
  EXPECT_EQ(body.at("choices").at(0).at("message").at("content").as_string(), answer_text(16));
  client.send(chat("any-model"));
  EXPECT_NE(client.read_until("0\r\n\r\n").find("data: [DONE]"), std::string::npos);
  ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.completed == 2; }));
  const auto calls = upstream.log().calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].model, "any-model");
  EXPECT_EQ(calls[0].connection, calls[1].connection);
  EXPECT_TRUE(calls[1].stream);
  EXPECT_NE(calls[1].body.find("\"hello\""), std::string::npos);
}

TEST_F(Upstream, TheModelTheHeaderTheQueueAndTheServerChooseTheScript) {
  auto& upstream = start();
  http::RawClient client(upstream.port());
  const auto status = [&](const std::string& request) {
    client.send(request);
    return client.read_reply().substr(9, 3);
  };
  EXPECT_EQ(status(chat("openai/error@status=507", false)), "507");
  ASSERT_TRUE(upstream.set_script("unavailable").has_value());
  EXPECT_EQ(status(chat("plain", false)), "503");
  ASSERT_TRUE(upstream.queue_scripts({"rate-limited", "plain"}).has_value());
  EXPECT_EQ(status(chat("m", false)), "429");
  EXPECT_EQ(status(chat("m", false)), "200");
  EXPECT_EQ(status(chat("m", false)), "503");
  EXPECT_EQ(status(post("/v1/completions", R"({"model":"m","prompt":"x"})", "x-scripted: error@status=501\r\n")), "501");
  EXPECT_TRUE(upstream.set_script("no-such-script").has_error());
}

TEST_F(Upstream, StatefulScripts) {
  auto& upstream = start();
  http::RawClient client(upstream.port());
  const auto status = [&](const std::string& model) {
    client.send(chat(model, false));
    return client.read_reply().substr(9, 3);
  };
  EXPECT_EQ(status("error-once@n=2"), "500");
  EXPECT_EQ(status("error-once@n=2"), "500");
  EXPECT_EQ(status("error-once@n=2"), "200");
  EXPECT_EQ(status("flap@up_ms=600000,down_ms=1"), "200");
  EXPECT_EQ(status("flap@up_ms=0,down_ms=600000"), "503");
}

TEST_F(Upstream, ResetsAndRefusals) {
  auto& upstream = start();
  http::RawClient reset(upstream.port());
  reset.send(chat("reset"));
  EXPECT_TRUE(reset.closed());
  http::RawClient streamed(upstream.port());
  streamed.send(chat("reset-stream@after=2"));
  EXPECT_NE(streamed.read_all().find("idle"), std::string::npos);
  EXPECT_TRUE(streamed.failed());
  http::RawClient refused(upstream.port());
  refused.send(chat("refuse@ms=60000"));
  EXPECT_TRUE(refused.closed());
  EXPECT_TRUE(http::RawClient(upstream.port()).failed());
  ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.faulted == 3; }));
}

TEST_F(Upstream, ListensAgainAfterRefusing) {
  auto& upstream = start();
  http::RawClient refused(upstream.port());
  refused.send(chat("refuse@ms=1"));
  EXPECT_TRUE(refused.closed());
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  bool connected = false;
  while (!connected && std::chrono::steady_clock::now() < deadline) {
    http::RawClient again(upstream.port());
    connected = !again.failed();
  }
  EXPECT_TRUE(connected);
}

TEST_F(Upstream, ResetsAtAccept) {
  auto& upstream = start();
  ASSERT_TRUE(upstream.set_script("reset-accept").has_value());
  http::RawClient client(upstream.port());
  EXPECT_TRUE(client.closed());
}

TEST_F(Upstream, TellsInWhichPhaseAClientLeft) {
  UpstreamConfig config;
  config.engine.slots = 2;
  auto& upstream = start(config);
  std::uint64_t left = 0;
  const auto leave_at = [&](const std::string& model, const char* seen, const char* phase) {
    http::RawClient client(upstream.port());
    client.send(chat(model));
    if (*seen != '\0') client.read_until(seen);
    ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.running == 1; }));
    client.close();
    ++left;
    EXPECT_TRUE(upstream.log().wait_for([&](const auto& totals) { return totals.aborted == left; })) << phase;
    EXPECT_EQ(name(upstream.log().calls().back().phase), phase);
  };
  leave_at("silent", "", "head");
  leave_at("stuck", "assistant", "first_token");
  leave_at("hang", "speed", "streaming");
  leave_at("endless", "word ", "streaming");
}

TEST_F(Upstream, QueuesBeyondItsSlotsInOrder) {
  UpstreamConfig config;
  config.engine.slots = 1;
  config.engine.queue_max = 1;
  auto& upstream = start(config);
  http::RawClient running(upstream.port());
  running.send(chat("stuck"));
  running.read_until("assistant");
  http::RawClient waiting(upstream.port());
  waiting.send(chat("plain", false));
  ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.running == 2; }));
  http::RawClient over(upstream.port());
  over.send(chat("plain", false));
  EXPECT_EQ(over.read_reply().substr(9, 3), "503");
  over.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string metrics = over.read_reply();
  EXPECT_NE(metrics.find("vllm:num_requests_running{engine=\"0\",model_name=\"scripted\"} 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("vllm:num_requests_waiting{engine=\"0\",model_name=\"scripted\"} 1\n"), std::string::npos);
  running.close();
  EXPECT_EQ(waiting.read_reply().substr(9, 3), "200");
}

TEST_F(Upstream, KvBlocksBoundTheBatch) {
  UpstreamConfig config;
  config.engine.kv_blocks = 8;
  auto& upstream = start(config);
  http::RawClient running(upstream.port());
  running.send(chat("stuck@tokens=100"));
  running.read_until("assistant");
  http::RawClient waiting(upstream.port());
  waiting.send(chat("plain@tokens=100", false));
  ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.running == 2; }));
  waiting.close();
  EXPECT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.aborted_in.contains("queued"); }));
}

TEST_F(Upstream, PacesTokens) {
  UpstreamConfig config;
  config.engine.ttft = {20, false};
  config.engine.itl = {5, true};
  config.engine.seed = 7;
  auto& upstream = start(config);
  http::RawClient client(upstream.port());
  client.send(chat("plain@tokens=4"));
  client.read_until("0\r\n\r\n");
  ASSERT_TRUE(upstream.log().wait_for([](const auto& totals) { return totals.completed == 1; }));
  const auto call = upstream.log().calls().front();
  EXPECT_GE(call.end_ms - call.start_ms, 20.0);
}

TEST_F(Upstream, EmbeddingsAreDeterministicInBothEncodings) {
  start();
  auto connection = client();
  const auto ask = [&](std::string_view body) {
    connection.send(post("/v1/embeddings", body));
    return json::parse(body_of(connection.read_reply()));
  };
  const auto plain = ask(R"({"model":"e","input":["a","b","a"],"dimensions":4})");
  const auto& data = plain.at("data").as_array();
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0].at("embedding"), data[2].at("embedding"));
  EXPECT_NE(data[0].at("embedding"), data[1].at("embedding"));
  EXPECT_EQ(data[0].at("embedding").as_array().size(), 4u);
  const auto encoded = ask(R"({"model":"e","input":"a","dimensions":4,"encoding_format":"base64"})");
  EXPECT_EQ(encoded.at("data").at(0).at("embedding").as_string().size(), 24u);
  EXPECT_TRUE(ask(R"({"model":"e"})").as_object().contains("error"));
}

TEST_F(Upstream, RerankScoresSharedWords) {
  start();
  auto connection = client();
  connection.send(post("/v1/rerank", R"({"query":"idle speed","documents":["no","the idle speed",{"text":"speed"}],"top_n":2})"));
  const auto results = json::parse(body_of(connection.read_reply())).at("results").as_array();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("index").as_int64(), 1);
  EXPECT_EQ(results[0].at("relevance_score").to_number<double>(), 1.0);
}

TEST_F(Upstream, HealthAndMetricsFailOnDemand) {
  auto& upstream = start();
  auto connection = client();
  const auto get = [&](std::string_view path) {
    connection.send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path));
    return connection.read_reply();
  };
  EXPECT_EQ(get("/health").substr(9, 3), "200");
  upstream.set_health(503);
  EXPECT_EQ(get("/health").substr(9, 3), "503");
  EXPECT_NE(get("/metrics").find("kv_cache_usage_perc"), std::string::npos);
  ASSERT_TRUE(upstream.set_metrics_mode("old").has_value());
  EXPECT_NE(get("/metrics").find("gpu_cache_usage_perc"), std::string::npos);
  ASSERT_TRUE(upstream.set_metrics_mode("missing").has_value());
  EXPECT_EQ(get("/metrics").substr(9, 3), "404");
  EXPECT_TRUE(upstream.set_metrics_mode("strange").has_error());
  EXPECT_NE(get("/v1/models").find("\"scripted\""), std::string::npos);
  EXPECT_EQ(get("/nothing").substr(9, 3), "404");
}

TEST_F(Upstream, ScriptsAndLogOverHttp) {
  start();
  auto connection = client();
  connection.send(post("/__script", "error@status=555"));
  EXPECT_EQ(connection.read_reply().substr(9, 3), "200");
  connection.send(chat("m"));
  EXPECT_EQ(connection.read_reply().substr(9, 3), "555");
  connection.send("GET /__log HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto log = json::parse(body_of(connection.read_reply()));
  EXPECT_EQ(log.at("totals").at("requests").as_int64(), 1);
  EXPECT_EQ(log.at("requests").at(0).at("script").as_string(), "error");
  connection.send(post("/__script", "nonsense"));
  EXPECT_EQ(connection.read_reply().substr(9, 3), "400");
}

TEST_F(Upstream, InstantModeSaysTheSame) {
  UpstreamConfig config;
  config.instant = true;
  start(config);
  auto connection = client();
  connection.send(chat("m"));
  const std::string first = connection.read_until("0\r\n\r\n");
  EXPECT_NE(first.find("data: [DONE]"), std::string::npos);
  connection.send(chat("m", false));
  EXPECT_EQ(json::parse(body_of(connection.read_reply())).at("choices").at(0).at("message").at("content").as_string(),
            answer_text(16));
  connection.send(chat("cut"));
  EXPECT_TRUE(connection.closed());
}

TEST_F(Upstream, PromptsThatBeginAlikeAreCached) {
  EngineConfig config;
  config.prefix_cache = true;
  EngineModel engine(config);
  const std::string system(640, 's');
  EXPECT_EQ(engine.take_prefix(system + "first"), 0u);
  EXPECT_EQ(engine.take_prefix(system + "second"), 160u);
  EXPECT_EQ(engine.take_prefix("x" + system), 0u);
}

TEST_F(Upstream, WrongRequestsGetAnErrorInsteadOfAnAnswer) {
  start();
  auto connection = client();
  for (const auto* body : {"", "[]", "{}", R"({"messages":[]})", R"({"messages":[{"content":"x"}]})"}) {
    connection.send(post("/v1/chat/completions", body));
    EXPECT_EQ(connection.read_reply().substr(9, 3), "400") << body;
  }
}

}  // namespace
}  // namespace ragtime::load
