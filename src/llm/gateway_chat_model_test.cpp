// The chat model over the gateway, against servers that say exactly what the test tells them.

#include "llm/gateway_chat_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "llm/gateway_fixture.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kStop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";

std::string event(std::string_view data) {
  return http_chunk(sse(data));
}

std::string delta(std::string_view text) {
  return http_chunk(text_delta(text));
}

const std::string kRole = http_chunk(kRoleEvent);
const std::string kFinish = http_chunk(kStopEvent);
const std::string kUsage = http_chunk(kUsageEvent);
const std::string kDone = http_chunk(kDoneEvent);
const std::string kEnd = kLastChunk;

class GatewayChatModelTest : public GatewayFixture {
 protected:
  GatewayChatModelTest() { retry_.attempts_max = 1; }

  Result<ChatOutcome> ask(const std::string& base_url, RequestContext& context) {
    chat_.clear();
    chat_.add(base_url, api_key_);
    const auto model = make_gateway_chat_model("chat", gateway());
    ChatSink sink = [this](std::string_view text) { return take(std::string(text)); };
    return async::sync_wait(model->answer(request_, std::move(sink), context));
  }

  Result<ChatOutcome> ask(Act act) {
    ActingServer server({std::move(act)});
    return ask(server.url(), context_);
  }

  Task<Result<void>> take(std::string text) {
    deltas_.push_back(std::move(text));
    if (refuse_) co_return make_error(ErrorCode::cancelled, "the client is gone");
    if (cancel_) context_.cancel();
    co_return Result<void>();
  }

  std::string api_key_;
  ChatRequest request_{.messages = {{"user", "hello there"}}};
  std::vector<std::string> deltas_;
  bool refuse_ = false;
  bool cancel_ = false;
};

TEST_F(GatewayChatModelTest, StreamsTextAndReportsUsage) {
  const auto outcome = ask(says(kStreamHead + kRole + delta("你") + delta("好 \\n") + kFinish + kUsage + kDone + kEnd));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_THAT(deltas_, ElementsAre("你", "好 \n"));
  EXPECT_EQ(outcome->finish_reason, FinishReason::stop);
  EXPECT_EQ(outcome->usage.prompt_tokens, 11);
  EXPECT_EQ(outcome->usage.completion_tokens, 2);
  EXPECT_FALSE(outcome->usage.estimated);
}

TEST_F(GatewayChatModelTest, SendsTheRequestInOpenAisShape) {
  std::string body;
  std::string authorization;
  route("POST", "/v1/chat/completions", [&](http::Request& request, RequestContext&) -> Task<http::Response> {
    body = request.body;
    authorization = request.headers.find("authorization").value_or("");
    http::Response response;
    response.headers.set("Content-Type", "text/event-stream");
    response.body = std::string("data: ") + kStop + "\n\n";
    co_return response;
  });
  start();
  api_key_ = "secret";
  request_.temperature = 0.5;
  request_.tokens_max = 64;
  request_.seed = 7;
  request_.stop = {"END"};
  request_.extra_json = R"({"presence_penalty":1.5,"model":"spoofed","stream":false})";
  const auto outcome = ask(url("/v1/"), context_);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(authorization, "Bearer secret");
  for (const char* part : {R"("model":"up-chat")", R"("messages":[{"role":"user","content":"hello there"}])",
                           R"("stream":true)", R"("include_usage":true)", R"("max_tokens":64)", R"("seed":7)",
                           R"("stop":["END"])", R"("presence_penalty":1.5E0)", R"("temperature":5E-1)"}) {
    EXPECT_THAT(body, HasSubstr(part));
  }
}

TEST_F(GatewayChatModelTest, PassesThePriorityToThePool) {
  request_.priority = Priority::high;
  const auto outcome = ask(says(kStreamHead + delta("well") + kFinish + kDone + kEnd));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(chat_.priority(), Priority::high);
}

TEST_F(GatewayChatModelTest, UsageIsEstimatedWhenTheServerSendsNone) {
  const auto outcome = ask(says(kStreamHead + delta("four words of text") + kFinish + kEnd));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->usage.estimated);
  EXPECT_GT(outcome->usage.prompt_tokens, 0);
  EXPECT_GT(outcome->usage.completion_tokens, 0);
}

TEST_F(GatewayChatModelTest, ReasoningIsNotAnswered) {
  const auto outcome =
      ask(says(kStreamHead + event(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})") +
               event(R"({"choices":[{"delta":{"reasoning":"hm"}}]})") + delta("yes") + kFinish + kEnd));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_THAT(deltas_, ElementsAre("yes"));
}

TEST_F(GatewayChatModelTest, AConnectionLostAfterTheFinishReasonTakesNothing) {
  const auto outcome = ask(says(kStreamHead + delta("all") + kFinish));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
}

TEST_F(GatewayChatModelTest, ACutStreamIsUnavailable) {
  for (const std::string& bytes : {kStreamHead + delta("half"),            // Connection lost.
                                   kStreamHead + delta("half") + kEnd}) {  // Ended without a reason.
    deltas_.clear();
    const auto outcome = ask(says(bytes));
    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable) << outcome.error().message;
    EXPECT_THAT(deltas_, ElementsAre("half"));
  }
}

TEST_F(GatewayChatModelTest, AnErrorInTheStreamBeforeDoneIsAnError) {
  const auto outcome =
      ask(says(kStreamHead + event(R"({"error":{"message":"out of memory","code":500}})") + kDone + kEnd));
  ASSERT_TRUE(outcome.has_error());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, HasSubstr("out of memory"));
}

TEST_F(GatewayChatModelTest, MalformedEventsAndAbortedAnswers) {
  for (const char* data : {"{\"choices\":[", "7", R"({"choices":[{"delta":{},"finish_reason":"abort"}]})"}) {
    const auto outcome = ask(says(kStreamHead + event(data) + kFinish + kEnd));
    ASSERT_TRUE(outcome.has_error()) << data;
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  }
}

TEST_F(GatewayChatModelTest, StatusesBecomeCodesWithTheServersWords) {
  const std::pair<int, ErrorCode> cases[] = {
      {400, ErrorCode::invalid_argument}, {422, ErrorCode::invalid_argument},   {404, ErrorCode::unavailable},
      {408, ErrorCode::unavailable},      {429, ErrorCode::resource_exhausted}, {500, ErrorCode::unavailable},
      {503, ErrorCode::unavailable},
  };
  for (const auto& [status, code] : cases) {
    const auto outcome = ask(says(http_reply(status, R"({"error":{"message":"these words"}})")));
    ASSERT_TRUE(outcome.has_error()) << status;
    EXPECT_EQ(outcome.error().code, code) << status;
    EXPECT_THAT(outcome.error().message, HasSubstr("these words")) << status;
  }
}

TEST_F(GatewayChatModelTest, ARefusedKeyIsNotRepeated) {
  const auto outcome = ask(says(http_reply(401, R"({"error":{"message":"Incorrect API key provided: sk-abc"}})")));
  ASSERT_TRUE(outcome.has_error());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, Not(HasSubstr("sk-abc")));
}

TEST_F(GatewayChatModelTest, AServerThatDoesNotStream) {
  const auto outcome =
      ask(says(http_reply(200, R"({"choices":[{"message":{"content":"whole"},"finish_reason":"length"}],
                                             "usage":{"prompt_tokens":3,"completion_tokens":1}})")));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_THAT(deltas_, ElementsAre("whole"));
  EXPECT_EQ(outcome->finish_reason, FinishReason::length);
  EXPECT_TRUE(ask(says(http_reply(200, "{}"))).has_error());
  EXPECT_TRUE(ask(says(http_reply(200, "not json"))).has_error());
}

TEST_F(GatewayChatModelTest, NothingListens) {
  std::string gone;
  {
    ActingServer server({says("")});
    gone = server.url();
  }
  EXPECT_EQ(ask(gone, context_).error().code, ErrorCode::unavailable);
}

TEST_F(GatewayChatModelTest, FirstTokenTimeout) {
  quick_.first_token = milliseconds(50);
  for (const std::string& bytes : {std::string(), kStreamHead + kRole}) {
    const auto outcome = ask(stalls(bytes));
    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable) << outcome.error().message;
    EXPECT_THAT(outcome.error().message, HasSubstr("within 50 ms"));
    EXPECT_THAT(deltas_, IsEmpty());
  }
}

TEST_F(GatewayChatModelTest, IdleTimeout) {
  quick_.idle = milliseconds(50);
  EXPECT_EQ(ask(stalls(kStreamHead + delta("half"))).error().code, ErrorCode::unavailable);
}

TEST_F(GatewayChatModelTest, TotalTimeout) {
  quick_.total = milliseconds(50);
  EXPECT_EQ(ask(stalls(kStreamHead + delta("half"))).error().code, ErrorCode::deadline_exceeded);
}

TEST_F(GatewayChatModelTest, SilenceAfterTheFinishReasonOnlyEndsTheWait) {
  quick_.tail = milliseconds(50);
  EXPECT_TRUE(ask(stalls(kStreamHead + delta("all") + kFinish)).has_value());
}

TEST_F(GatewayChatModelTest, AFallbackStandsInBeforeTheFirstWord) {
  with_fallback_ = true;
  ActingServer backup({says(good_stream())});
  backup_.add(backup.url());
  const auto outcome = ask(says(http_reply(500, "{}")));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->model, "backup");
  EXPECT_THAT(outcome->degraded, ElementsAre("model:chat→backup"));
  EXPECT_THAT(deltas_, ElementsAre("hello"));
}

// stalls() returns only once the client has closed its connection: the server's destructor would hang otherwise.
TEST_F(GatewayChatModelTest, CancellationAndARefusingSinkCloseTheConnection) {
  refuse_ = true;
  EXPECT_EQ(ask(stalls(kStreamHead + delta("a"))).error().code, ErrorCode::cancelled);
  refuse_ = false;
  cancel_ = true;
  EXPECT_EQ(ask(stalls(kStreamHead + delta("a"))).error().code, ErrorCode::cancelled);
}

TEST_F(GatewayChatModelTest, TheCallersOwnDeadline) {
  RequestContext hurried("req", "tenant", Deadline::after(milliseconds(50)));
  ActingServer server({stalls(kStreamHead + delta("a"))});
  EXPECT_EQ(ask(server.url(), hurried).error().code, ErrorCode::deadline_exceeded);
}

}  // namespace
}  // namespace ragtime::llm
