// What the gateway relays and keeps: bytes, headers, leases, usage, reports, hedges and shared answers.

#include "llm/gateway.h"

#include "async/wait.h"
#include "async/when_all.h"
#include "llm/gateway_fixture.h"
#include "llm/retry_policy.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class GatewayTest : public GatewayFixture {};

TEST_F(GatewayTest, RelaysAStreamUnchanged) {
  ActingServer upstream({says(good_stream())});
  chat_.add(upstream.url());
  const Answer answer = ask(true);
  ASSERT_FALSE(answer.error || answer.broken);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "text/event-stream");
  EXPECT_EQ(answer.body, kHello);
  EXPECT_EQ(answer.report.model, "chat");
  EXPECT_EQ(answer.report.endpoint_url, upstream.url());
  EXPECT_EQ(answer.report.attempts, 1u);
  EXPECT_EQ(answer.report.usage->prompt_tokens, 11);
  EXPECT_TRUE(answer.report.degraded.empty());
  EXPECT_THAT(chat_.ended(), ElementsAre(ScriptedPool::Ended{upstream.url(), Outcome::completed, {}, true}));
  EXPECT_EQ(chat_.in_flight(), 0u);
}

TEST_F(GatewayTest, RelaysUsageWhenAskedFor) {
  ActingServer upstream({says(good_stream())});
  chat_.add(upstream.url());
  EXPECT_EQ(ask(true, R"(,"stream_options":{"include_usage":true})").body,
            kRoleEvent + text_delta("hello") + kStopEvent + kUsageEvent + kDoneEvent);
}

TEST_F(GatewayTest, RelaysAWholeAnswerUnchanged) {
  ActingServer upstream({says(http_reply(200, kWhole))});
  chat_.add(upstream.url());
  const Answer answer = ask(false);
  ASSERT_FALSE(answer.error);
  EXPECT_EQ(answer.body, kWhole);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.report.usage->completion_tokens, 1);
  EXPECT_THAT(outcomes(chat_), ElementsAre(Outcome::completed));
}

TEST_F(GatewayTest, SendsTheClientsBytes) {
  std::string body;
  http::Headers headers;
  route("POST", "/v1/chat/completions", [&](http::Request& request, RequestContext&) -> Task<http::Response> {
    body = request.body;
    headers = request.headers;
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = kWhole;
    co_return response;
  });
  start();
  chat_.add(url("/v1/"), "secret");
  GatewayRequest request;
  request.model = "chat";
  request.body =
      R"({ "messages":[{"role":"user","content":[{"type":"image_url"}]},{"x":1}], "model":"chat@x", "y":1.0e3})";
  EXPECT_EQ(ask(std::move(request)).body, kWhole);
  EXPECT_EQ(
      body,
      R"({ "messages":[{"role":"user","content":[{"type":"image_url"}]},{"x":1}], "model":"up-chat", "y":1.0e3})");
  EXPECT_EQ(headers.find("authorization"), "Bearer secret");
  EXPECT_EQ(headers.find("x-request-id"), "req-1");
  EXPECT_EQ(chat_.prefix(), R"({"role":"user","content":[{"type":"image_url"}]})");
  EXPECT_GT(chat_.tokens(), 200u);
}

TEST_F(GatewayTest, LegacyCompletions) {
  ActingServer upstream(
      {says(kStreamHead + http_chunk(sse(R"({"choices":[{"text":"x","index":0,"finish_reason":null}]})")) +
            http_chunk(sse(R"({"choices":[{"text":"","index":0,"finish_reason":"stop"}]})")) + kLastChunk)});
  chat_.add(upstream.url());
  GatewayRequest request;
  request.model = "chat";
  request.api = GatewayApi::completions;
  request.body = R"({"model":"chat","prompt":"p","stream":true})";
  const Answer answer = ask(std::move(request));
  EXPECT_FALSE(answer.error || answer.broken);
  EXPECT_THAT(answer.body, HasSubstr("[DONE]"));
  EXPECT_EQ(chat_.prefix(), "\"p\"");
}

TEST_F(GatewayTest, BadRequestsReachNoUpstream) {
  chat_.add("http://127.0.0.1:1/v1");
  GatewayRequest request;
  request.model = "chat";
  request.body = "{\"model\":";
  EXPECT_EQ(ask(request).error->code, ErrorCode::invalid_argument);
  request.model = "nobody";
  request.body = "{}";
  EXPECT_EQ(ask(request).error->code, ErrorCode::not_found);
  EXPECT_EQ(chat_.acquired(), 0u);
  EXPECT_TRUE(gateway().has_model("backup"));
  EXPECT_FALSE(gateway().has_model("nobody"));
}

TEST_F(GatewayTest, AServerThatDoesNotStream) {
  ActingServer upstream({says(http_reply(200, kWhole))});
  chat_.add(upstream.url());
  const Answer answer = ask(true);
  ASSERT_FALSE(answer.error || answer.broken);
  EXPECT_EQ(answer.content_type, "text/event-stream");
  EXPECT_THAT(answer.body, HasSubstr(R"("delta":{"content":"whole"})"));
  EXPECT_THAT(answer.body, testing::EndsWith(kDoneEvent));
}

TEST_F(GatewayTest, AMistakeOfTheClientIsRelayedAsItCame) {
  const std::string words =
      R"({"error":{"message":"bad tool","type":"invalid_request_error","param":"tools","code":null}})";
  for (const int status : {400, 409, 413, 422}) {
    ActingServer upstream({says(http_reply(status, words))});
    chat_.clear();
    chat_.add(upstream.url());
    const Answer answer = ask(status == 400);
    ASSERT_FALSE(answer.error) << status;
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, words);
    EXPECT_EQ(upstream.asked(), 1) << status;
  }
  EXPECT_THAT(outcomes(chat_), testing::Each(Outcome::ignored));
}

TEST_F(GatewayTest, AMistakeReportedInAStreamGetsItsStatus) {
  ActingServer upstream(
      {says(kStreamHead + http_chunk(sse(R"({"error":{"message":"bad \"tool\"","code":400}})")) + kLastChunk)});
  chat_.add(upstream.url());
  const Answer answer = ask(true);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr(R"(bad \"tool\")"));
  EXPECT_EQ(upstream.asked(), 1);
}

TEST_F(GatewayTest, ARefusedKeyIsOurMistakeAndNotRepeated) {
  ActingServer upstream({says(http_reply(401, R"({"error":{"message":"Incorrect API key provided: sk-abc"}})"))});
  chat_.add(upstream.url());
  const Answer answer = ask(false);
  EXPECT_EQ(answer.error->code, ErrorCode::unavailable);
  EXPECT_THAT(answer.error->message, Not(HasSubstr("sk-abc")));
  EXPECT_EQ(upstream.asked(), 1);
  EXPECT_THAT(outcomes(chat_), ElementsAre(Outcome::failed));
}

TEST_F(GatewayTest, APoolThatIsFullIsSaidSo) {
  Error full = make_error(ErrorCode::resource_exhausted, "full");
  full.retry_after = milliseconds(700);
  chat_.refuse(full);
  const Answer answer = ask(false);
  EXPECT_EQ(answer.error->code, ErrorCode::resource_exhausted);
  EXPECT_EQ(answer.error->retry_after, milliseconds(700));
}

TEST_F(GatewayTest, AFullPoolMakesRoomForAFallback) {
  with_fallback_ = true;
  chat_.refuse(make_error(ErrorCode::resource_exhausted, "full"));
  ActingServer upstream({says(good_stream())});
  backup_.add(upstream.url());
  const Answer answer = ask(true);
  EXPECT_EQ(answer.body, kHello);
  EXPECT_EQ(answer.report.model, "backup");
  EXPECT_THAT(answer.report.degraded, ElementsAre("model:chat→backup"));
}

TEST_F(GatewayTest, TheRetryQuotaBoundsAmplification) {
  ActingServer upstream({says(http_reply(500, "{}"))});
  chat_.add(upstream.url());
  constexpr int kRequests = 200;
  for (int i = 0; i < kRequests; ++i) EXPECT_EQ(ask(i % 2 == 0).error->code, ErrorCode::unavailable);
  EXPECT_LE(upstream.asked(), kRequests * 12 / 10);
  EXPECT_GT(upstream.asked(), kRequests);
}

TEST_F(GatewayTest, ABufferedStreamIsReplacedWhenCut) {
  const std::string cut = kStreamHead + http_chunk(kRoleEvent) + http_chunk(text_delta("half"));
  ActingServer upstream({says(cut), says(good_stream())});
  chat_.add(upstream.url());
  GatewayRequest request;
  request.model = "chat";
  request.body = body_of(true);
  request.buffered = true;
  const Answer answer = ask(request);
  ASSERT_FALSE(answer.error || answer.broken);
  EXPECT_EQ(answer.body, kHello);
  EXPECT_EQ(answer.report.attempts, 2u);
  ActingServer unbuffered({says(cut), says(good_stream())});
  chat_.clear();
  chat_.add(unbuffered.url());
  const Answer broken = ask(true);
  EXPECT_EQ(broken.body, kRoleEvent + text_delta("half"));
  EXPECT_EQ(broken.broken->code, ErrorCode::unavailable);
}

TEST_F(GatewayTest, TokensAreCountedForEveryEnd) {
  ActingServer upstream(
      {says(good_stream()), says(kStreamHead + http_chunk(text_delta("a")) + http_chunk(text_delta("b")))});
  chat_.add(upstream.url());
  ask(true);
  const auto tokens = [&](const char* kind, const char* source) {
    return metric("ragtime_gateway_tokens_total", {{"model", "chat"}, {"kind", kind}, {"source", source}});
  };
  EXPECT_EQ(tokens("prompt", "reported"), 11);
  EXPECT_EQ(tokens("completion", "reported"), 2);
  EXPECT_TRUE(ask(true).broken);
  EXPECT_EQ(tokens("completion", "estimated"), 2);
  EXPECT_EQ(metric("ragtime_gateway_requests_total", {{"model", "chat"}, {"outcome", "completed"}}), 1);
  EXPECT_EQ(metric("ragtime_gateway_requests_total", {{"model", "chat"}, {"outcome", "cut"}}), 1);
  EXPECT_THAT(metrics_.render(), HasSubstr("ragtime_gateway_overhead_seconds_count{stage=\"request\"} 2"));
}

TEST_F(GatewayTest, TheUpstreamsConnectionIsUsedAgain) {
  http::ScriptedServer upstream([](http::ScriptedConnection& connection, int) {
    while (!connection.read_head().empty()) connection.write(good_stream());
  });
  chat_.add(upstream.url("/v1"));
  const auto twice = [](Gateway& gateway, RequestContext& context) -> Task<> {
    for (int i = 0; i < 2; ++i) {
      GatewayRequest request;
      request.model = "chat";
      request.body = R"({"stream":true})";
      const Answer answer = co_await read_answer(gateway, std::move(request), context);
      EXPECT_EQ(answer.body, kHello);
    }
  };
  async::sync_wait(twice(gateway(), context_));
  EXPECT_EQ(upstream.accepted(), 1);
}

// Answers that arrive at once train the gateway; then the first endpoint is silent and the second answers.
TEST_F(GatewayTest, AHedgeWinsAndTheLoserIsClosed) {
  hedge_ = true;
  quick_.first_byte = std::chrono::seconds(15);
  std::vector<Act> acts(100, says(good_stream()));
  acts.push_back(stalls());
  ActingServer first(std::move(acts));
  ActingServer second({says(good_stream())});
  chat_.add(first.url());
  chat_.add(second.url());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(true).body, kHello);
  const int before = second.asked();
  const Answer answer = ask(true);
  EXPECT_EQ(answer.body, kHello);
  EXPECT_EQ(answer.report.endpoint_url, second.url());
  EXPECT_GT(second.asked(), before);
  EXPECT_EQ(chat_.in_flight(), 0u);
  EXPECT_GE(metric("ragtime_gateway_steps_total", {{"model", "chat"}, {"kind", "hedge"}}), 1);
}

TEST_F(GatewayTest, HedgesAreATenthOfTheRequests) {
  HedgePolicy policy;
  EXPECT_FALSE(policy.delay());
  for (int i = 1; i <= 100; ++i) policy.observe_first_token(milliseconds(i));
  EXPECT_EQ(policy.delay(), milliseconds(96));
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    policy.count_request();
    hedges += policy.take_hedge() ? 1 : 0;
  }
  EXPECT_LE(hedges, 100);
  EXPECT_GE(hedges, 99);
}

class CoalescingTest : public GatewayFixture {
 public:
  static Task<Answer> request(Gateway& gateway, RequestContext& context, bool coalesce) {
    GatewayRequest request;
    request.model = "chat";
    request.body = body_of(false);
    request.coalesce = coalesce;
    return read_answer(gateway, std::move(request), context);
  }

 protected:
  // Answers nothing before `released_` is raised.
  void serve() {
    route("POST", "/v1/chat/completions", [this](http::Request&, RequestContext& context) -> Task<http::Response> {
      ++asked_;
      co_await async::sleep_for(milliseconds(100), context);
      http::Response response;
      response.headers.set("Content-Type", "application/json");
      response.body = kWhole;
      co_return response;
    });
    start();
    chat_.add(url("/v1"));
  }

  int run(std::size_t count, bool coalesce, std::string other_tenant = "tenant") {
    std::vector<std::unique_ptr<RequestContext>> contexts;
    std::vector<Task<Answer>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      contexts.push_back(std::make_unique<RequestContext>("r", i == 0 ? "tenant" : other_tenant,
                                                          Deadline::after(std::chrono::seconds(10))));
      tasks.push_back(request(gateway(), *contexts.back(), coalesce));
    }
    asked_ = 0;
    for (const Answer& answer : async::sync_wait(async::when_all(std::move(tasks)))) EXPECT_EQ(answer.body, kWhole);
    return asked_;
  }

  std::atomic<int> asked_ = 0;
};

TEST_F(CoalescingTest, IdenticalRequestsShareOneAnswerOnRequest) {
  serve();
  EXPECT_EQ(run(10, true), 1);
  EXPECT_EQ(run(3, false), 3);
  EXPECT_EQ(run(2, true, "other"), 2);
  EXPECT_EQ(metric("ragtime_gateway_steps_total", {{"model", "chat"}, {"kind", "coalesced"}}), 9);
}

TEST_F(CoalescingTest, TheModelMaySaySo) {
  coalesce_ = true;
  serve();
  EXPECT_EQ(run(5, false), 1);
}

Task<> cancel_soon(RequestContext& leader, std::atomic<int>& asked) {
  RequestContext forever("r", "t", Deadline::after(std::chrono::seconds(10)));
  while (asked == 0) co_await async::sleep_for(milliseconds(1), forever);
  leader.cancel();
}

Task<> lose_the_leader(Gateway& gateway, RequestContext& leader, RequestContext& other, std::atomic<int>& asked) {
  auto answers = co_await async::when_all(
      async::when_all(CoalescingTest::request(gateway, leader, true), CoalescingTest::request(gateway, other, true)),
      [](RequestContext& context, std::atomic<int>& count) -> Task<int> {
        co_await cancel_soon(context, count);
        co_return 0;
      }(leader, asked));
  const auto& [first, second] = std::get<0>(answers);
  EXPECT_EQ(first.error->code, ErrorCode::cancelled);
  EXPECT_EQ(second.body, kWhole);
}

TEST_F(CoalescingTest, WhoWaitsTakesOverWhenTheFirstLeaves) {
  serve();
  RequestContext leader("r", "tenant", Deadline::after(std::chrono::seconds(10)));
  async::sync_wait(lose_the_leader(gateway(), leader, context_, asked_));
  EXPECT_EQ(asked_, 2);
}

}  // namespace
}  // namespace ragtime::llm
