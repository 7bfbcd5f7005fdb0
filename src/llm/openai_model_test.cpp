// The model against servers that say exactly what the test tells them.

#include "llm/openai_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/scripted_server.h"
#include "http/server_fixture.h"

namespace ragtime::llm {
namespace {

using http::ScriptedConnection;
using http::ScriptedServer;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr const char* kRole = R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})";
constexpr const char* kStop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr const char* kUsage = R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}})";

std::string chunk(std::string_view bytes) {
  std::array<char, 16> size;
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return size.data() + std::string(bytes) + "\r\n";
}

std::string event(std::string_view data) {
  return chunk("data: " + std::string(data) + "\n\n");
}

std::string delta(std::string_view text) {
  return event(R"({"choices":[{"index":0,"delta":{"content":")" + std::string(text) + R"("}}]})");
}

const std::string kEnd = "0\r\n\r\n";

std::string reply(int status, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// Says `bytes` to the first request of a connection and hangs up.
ScriptedServer::Script says(std::string bytes) {
  return [bytes](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write(bytes);
  };
}

// Says `bytes`, then nothing until the client leaves.
ScriptedServer::Script stalls_after(std::string bytes) {
  return [bytes](ScriptedConnection& connection, int) {
    connection.read_head();
    connection.write(bytes);
    while (!connection.read_head().empty()) {
    }
  };
}

class OpenAiModelTest : public http::ServerFixture {
 protected:
  Result<ChatOutcome> ask(const std::string& base_url) {
    config_.name = "chat";
    config_.url = base_url;
    config_.model = "upstream-name";
    const auto model = make_openai_model(config_, client_);
    ChatSink sink = [this](std::string_view text) { return take(std::string(text)); };
    return async::sync_wait(model->answer(request_, std::move(sink), context_));
  }

  Result<ChatOutcome> ask(ScriptedServer::Script script) {
    ScriptedServer server(std::move(script));
    return ask(server.url("/v1"));
  }

  Task<Result<void>> take(std::string text) {
    deltas_.push_back(std::move(text));
    if (refuse_) co_return make_error(ErrorCode::cancelled, "the client is gone");
    if (cancel_) context_.cancel();
    co_return Result<void>();
  }

  OpenAiModelConfig config_;
  ChatRequest request_{.messages = {{"user", "hello there"}}};
  http::Client client_;
  RequestContext context_{"req", "tenant", Deadline::after(std::chrono::seconds(20))};
  std::vector<std::string> deltas_;
  bool refuse_ = false;
  bool cancel_ = false;
};

TEST_F(OpenAiModelTest, StreamsTextAndReportsUsage) {
  const auto outcome = ask(says(kStreamHead + event(kRole) + delta("你") + delta("好 \\n") + event(kStop) +
                                event(kUsage) + event("[DONE]") + kEnd));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_THAT(deltas_, ElementsAre("你", "好 \n"));
  EXPECT_EQ(outcome->finish_reason, FinishReason::stop);
  EXPECT_EQ(outcome->usage.prompt_tokens, 11);
  EXPECT_EQ(outcome->usage.completion_tokens, 2);
  EXPECT_FALSE(outcome->usage.estimated);
}

TEST_F(OpenAiModelTest, SendsTheRequestInOpenAisShape) {
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
  config_.api_key = "secret";
  request_.temperature = 0.5;
  request_.tokens_max = 64;
  request_.seed = 7;
  request_.stop = {"END"};
  request_.extra_json = R"({"presence_penalty":1.5,"model":"spoofed","stream":false})";
  const auto outcome = ask(url("/v1/"));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(authorization, "Bearer secret");
  for (const char* part : {R"("model":"upstream-name")", R"("messages":[{"role":"user","content":"hello there"}])",
                           R"("stream":true)", R"("include_usage":true)", R"("max_tokens":64)", R"("seed":7)",
                           R"("stop":["END"])", R"("presence_penalty":1.5E0)", R"("temperature":5E-1)"}) {
    EXPECT_THAT(body, HasSubstr(part));
  }
}

TEST_F(OpenAiModelTest, UsageIsEstimatedWhenTheServerSendsNone) {
  const auto outcome = ask(says(kStreamHead + delta("four words of text") + event(kStop) + kEnd));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_TRUE(outcome->usage.estimated);
  EXPECT_GT(outcome->usage.prompt_tokens, 0);
  EXPECT_GT(outcome->usage.completion_tokens, 0);
}

TEST_F(OpenAiModelTest, ReasoningIsNotAnswered) {
  const auto outcome =
      ask(says(kStreamHead + event(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})") +
               event(R"({"choices":[{"delta":{"reasoning":"hm"}}]})") + delta("yes") + event(kStop) + kEnd));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_THAT(deltas_, ElementsAre("yes"));
}

TEST_F(OpenAiModelTest, AConnectionLostAfterTheFinishReasonTakesNothing) {
  const auto outcome = ask(says(kStreamHead + delta("all") + event(kStop)));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
}

TEST_F(OpenAiModelTest, ACutStreamIsUnavailable) {
  for (const std::string& bytes : {kStreamHead + delta("half"),         // Connection lost.
                                   kStreamHead + delta("half") + kEnd,  // Ended without a reason.
                                   kStreamHead + delta("half") + event("[DONE]") + kEnd}) {
    deltas_.clear();
    const auto outcome = ask(says(bytes));
    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable) << outcome.error().message;
    EXPECT_THAT(deltas_, ElementsAre("half"));
  }
}

TEST_F(OpenAiModelTest, AnErrorInTheStreamBeforeDoneIsAnError) {
  const auto outcome =
      ask(says(kStreamHead + event(R"({"error":{"message":"out of memory","code":500}})") + event("[DONE]") + kEnd));
  ASSERT_TRUE(outcome.has_error());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, HasSubstr("out of memory"));
}

TEST_F(OpenAiModelTest, MalformedEventsAndAbortedAnswers) {
  for (const char* data : {"{\"choices\":[", "7", R"({"choices":[{"delta":{},"finish_reason":"abort"}]})"}) {
    const auto outcome = ask(says(kStreamHead + event(data) + event(kStop) + kEnd));
    ASSERT_TRUE(outcome.has_error()) << data;
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  }
}

TEST_F(OpenAiModelTest, StatusesBecomeCodesWithTheServersWords) {
  const std::pair<int, ErrorCode> cases[] = {
      {400, ErrorCode::invalid_argument}, {422, ErrorCode::invalid_argument},   {404, ErrorCode::unavailable},
      {408, ErrorCode::unavailable},      {429, ErrorCode::resource_exhausted}, {500, ErrorCode::unavailable},
      {503, ErrorCode::unavailable},
  };
  for (const auto& [status, code] : cases) {
    const auto outcome = ask(says(reply(status, R"({"error":{"message":"these words"}})")));
    ASSERT_TRUE(outcome.has_error()) << status;
    EXPECT_EQ(outcome.error().code, code) << status;
    EXPECT_THAT(outcome.error().message, HasSubstr("these words")) << status;
  }
}

TEST_F(OpenAiModelTest, ARefusedKeyIsNotRepeated) {
  const auto outcome = ask(says(reply(401, R"({"error":{"message":"Incorrect API key provided: sk-abc"}})")));
  ASSERT_TRUE(outcome.has_error());
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_THAT(outcome.error().message, Not(HasSubstr("sk-abc")));
}

TEST_F(OpenAiModelTest, AServerThatDoesNotStream) {
  const auto outcome = ask(says(reply(200, R"({"choices":[{"message":{"content":"whole"},"finish_reason":"length"}],
                                             "usage":{"prompt_tokens":3,"completion_tokens":1}})")));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_THAT(deltas_, ElementsAre("whole"));
  EXPECT_EQ(outcome->finish_reason, FinishReason::length);
  EXPECT_TRUE(ask(says(reply(200, "{}"))).has_error());
  EXPECT_TRUE(ask(says(reply(200, "not json"))).has_error());
}

TEST_F(OpenAiModelTest, NothingListens) {
  std::string gone;
  {
    ScriptedServer server(says(""));
    gone = server.url("/v1");
  }
  EXPECT_EQ(ask(gone).error().code, ErrorCode::unavailable);
}

TEST_F(OpenAiModelTest, FirstTokenTimeout) {
  config_.first_token_timeout = milliseconds(50);
  for (const std::string& bytes : {std::string(), kStreamHead + event(kRole)}) {
    const auto outcome = ask(stalls_after(bytes));
    ASSERT_TRUE(outcome.has_error());
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable) << outcome.error().message;
    EXPECT_THAT(outcome.error().message, HasSubstr("time"));
    EXPECT_THAT(deltas_, IsEmpty());
  }
}

TEST_F(OpenAiModelTest, IdleAndTotalTimeouts) {
  config_.idle_timeout = milliseconds(50);
  EXPECT_EQ(ask(stalls_after(kStreamHead + delta("half"))).error().code, ErrorCode::unavailable);
  config_.idle_timeout = std::chrono::seconds(20);
  config_.total_timeout = milliseconds(50);
  EXPECT_EQ(ask(stalls_after(kStreamHead + delta("half"))).error().code, ErrorCode::unavailable);
}

TEST_F(OpenAiModelTest, SilenceAfterTheFinishReasonOnlyEndsTheWait) {
  config_.idle_timeout = milliseconds(50);
  const auto outcome = ask(stalls_after(kStreamHead + delta("all") + event(kStop)));
  EXPECT_TRUE(outcome.has_value());
}

// stalls_after() returns only once the client has closed its connection: the server's destructor would hang otherwise.
TEST_F(OpenAiModelTest, CancellationAndARefusingSinkCloseTheConnection) {
  refuse_ = true;
  EXPECT_EQ(ask(stalls_after(kStreamHead + delta("a"))).error().code, ErrorCode::cancelled);
  refuse_ = false;
  cancel_ = true;
  EXPECT_EQ(ask(stalls_after(kStreamHead + delta("a"))).error().code, ErrorCode::cancelled);
}

TEST_F(OpenAiModelTest, TheCallersOwnDeadline) {
  RequestContext hurried("req", "tenant", Deadline::after(milliseconds(50)));
  ScriptedServer server(stalls_after(kStreamHead + delta("a")));
  config_.url = server.url("/v1");
  const auto model = make_openai_model(config_, client_);
  ChatSink sink = [this](std::string_view text) { return take(std::string(text)); };
  EXPECT_EQ(async::sync_wait(model->answer(request_, std::move(sink), hurried)).error().code,
            ErrorCode::deadline_exceeded);
}

}  // namespace
}  // namespace ragtime::llm
