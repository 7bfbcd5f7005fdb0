// The sixteen failover scenarios, with time scaled down, and a matrix of upstream faults: every answer has exactly one
// well-formed end.

#include <chrono>

#include "async/wait.h"
#include "llm/gateway_fixture.h"

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kHalf = kStreamHead + http_chunk(kRoleEvent) + http_chunk(text_delta("half"));
const std::string kOverflow =
    R"({"error":{"message":"This model's maximum context length is 10 tokens.","code":"context_length_exceeded"}})";
const std::string kFiltered = R"({"error":{"message":"filtered","code":"content_filter"}})";

class FailoverScenario : public GatewayFixture {
 protected:
  FailoverScenario() {
    quick_.connect = milliseconds(500);
    quick_.first_byte = milliseconds(150);
    quick_.first_token = milliseconds(300);
    quick_.idle = milliseconds(150);
    quick_.answer = milliseconds(300);
    quick_.total = milliseconds(5'000);
    quick_.tail = milliseconds(50);
    retry_.retry_after_max = milliseconds(1'500);
    retry_.retry_after_fallback = milliseconds(100);
    with_fallback_ = true;
  }

  // The primary acts; the fallback is well. Both stay in memory until the test ends.
  void primary(std::vector<Act> acts) {
    servers_.push_back(std::make_unique<ActingServer>(std::move(acts))), add(chat_);
  }
  void fallback(std::vector<Act> acts) {
    servers_.push_back(std::make_unique<ActingServer>(std::move(acts)));
    add(backup_);
  }
  void add(ScriptedPool& pool) { pool.add(servers_.back()->url()); }

  void expect_hello(const Answer& answer, std::string_view model) {
    ASSERT_FALSE(answer.error) << answer.error->message;
    ASSERT_FALSE(answer.broken) << answer.broken->message;
    EXPECT_EQ(answer.body, kHello);
    EXPECT_EQ(answer.report.model, model);
    EXPECT_EQ(answer.report.degraded.empty(), model == "chat");
    EXPECT_EQ(answer.report.usage->completion_tokens, 2);
    EXPECT_EQ(chat_.in_flight() + backup_.in_flight(), 0u);
  }

  Answer timed(milliseconds at_most) {
    const auto start = steady_clock::now();
    Answer answer = ask(true);
    EXPECT_LT(steady_clock::now() - start, at_most);
    return answer;
  }

  std::vector<std::unique_ptr<ActingServer>> servers_;
};

TEST_F(FailoverScenario, S01_TooManyRequestsWithRetryAfter) {
  primary({says(http_reply(429, "{}", "Retry-After: 1\r\n")), says(good_stream())});
  // With a fallback the wait would be longer than its use.
  fallback({says(good_stream())});
  expect_hello(ask(true), "backup");
  EXPECT_THAT(chat_.ended(),
              ElementsAre(ScriptedPool::Ended{servers_[0]->url(), Outcome::overloaded, milliseconds(1000), false}));
}

TEST_F(FailoverScenario, S01_WithoutAFallbackRetryAfterIsWaitedFor) {
  with_fallback_ = false;
  primary({says(http_reply(429, "{}", "Retry-After: 1\r\n")), says(good_stream())});
  const auto start = steady_clock::now();
  expect_hello(ask(true), "chat");
  EXPECT_GE(steady_clock::now() - start, milliseconds(1000));
}

TEST_F(FailoverScenario, S01_ARetryAfterThatIsTooLongIsPassedOn) {
  with_fallback_ = false;
  primary({says(http_reply(429, R"({"error":{"message":"slow down"}})", "Retry-After: 60\r\n"))});
  const Answer answer = timed(milliseconds(1000));
  EXPECT_EQ(answer.error->code, ErrorCode::resource_exhausted);
  EXPECT_EQ(answer.error->retry_after, std::chrono::seconds(60));
  EXPECT_EQ(servers_[0]->asked(), 1);
}

TEST_F(FailoverScenario, S02_TooManyRequestsWithoutRetryAfter) {
  primary({says(http_reply(429, "{}")), says(good_stream())});
  fallback({says(good_stream())});
  expect_hello(ask(true), "chat");
}

TEST_F(FailoverScenario, S03_OneInternalError) {
  primary({says(http_reply(500, "{}")), says(good_stream())});
  fallback({says(good_stream())});
  expect_hello(ask(true), "chat");
}

TEST_F(FailoverScenario, S04_PersistentUnavailability) {
  primary({says(http_reply(503, "{}"))});
  fallback({says(good_stream())});
  expect_hello(ask(true), "backup");
  EXPECT_EQ(servers_[0]->asked(), 2);
}

TEST_F(FailoverScenario, S05_ConnectionsThatAreReset) {
  primary({says("")});
  fallback({says(good_stream())});
  expect_hello(ask(true), "backup");
}

TEST_F(FailoverScenario, S06_ASilentUpstreamIsAskedOnce) {
  primary({stalls()});
  fallback({says(good_stream())});
  expect_hello(timed(milliseconds(1000)), "backup");
  EXPECT_EQ(servers_[0]->asked(), 1);
  EXPECT_THAT(outcomes(chat_), ElementsAre(Outcome::failed));
}

TEST_F(FailoverScenario, S06_AnotherEndpointComesBeforeAFallback) {
  primary({stalls()});
  primary({says(good_stream())});
  fallback({says(good_stream())});
  expect_hello(timed(milliseconds(1000)), "chat");
}

TEST_F(FailoverScenario, S07_ASlowFirstToken) {
  primary({stalls(kStreamHead + http_chunk(": ping\n\n") + http_chunk(kRoleEvent))});
  fallback({says(good_stream())});
  expect_hello(timed(milliseconds(1500)), "backup");
  EXPECT_EQ(servers_[0]->asked(), 1);
}

TEST_F(FailoverScenario, S08_ACutInTheMiddle) {
  primary({says(kHalf)});
  fallback({says(good_stream())});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.body, kRoleEvent + text_delta("half"));
  EXPECT_EQ(answer.broken->code, ErrorCode::unavailable);
  EXPECT_THAT(outcomes(chat_), ElementsAre(Outcome::failed));
}

TEST_F(FailoverScenario, S08_ABufferedAnswerIsRescued) {
  primary({says(kHalf)});
  fallback({says(good_stream())});
  GatewayRequest request;
  request.model = "chat";
  request.body = body_of(true);
  request.buffered = true;
  expect_hello(ask(std::move(request)), "backup");
}

TEST_F(FailoverScenario, S09_AStallInTheMiddle) {
  primary({stalls(kHalf)});
  fallback({says(good_stream())});
  const Answer answer = timed(milliseconds(1500));
  EXPECT_EQ(answer.body, kRoleEvent + text_delta("half"));
  EXPECT_EQ(answer.broken->code, ErrorCode::unavailable);
  EXPECT_THAT(answer.broken->message, HasSubstr("nothing more within"));
}

TEST_F(FailoverScenario, S10_AMalformedChunk) {
  primary({says(kStreamHead + http_chunk(kRoleEvent) + http_chunk(sse("{\"choices\":[")))});
  fallback({says(good_stream())});
  expect_hello(ask(true), "backup");
}

TEST_F(FailoverScenario, S10_AMalformedChunkAfterText) {
  route("POST", "/v1/chat/completions", [](http::Request&, RequestContext& context) -> Task<http::Response> {
    http::Response response;
    response.headers.set("Content-Type", "text/event-stream");
    response.stream = [&context](http::StreamWriter& writer) -> Task<> {
      co_await writer.write(text_delta("half"));
      co_await async::sleep_for(milliseconds(50), context);
      co_await writer.write(sse("{oops") + kStopEvent + kDoneEvent);
    };
    co_return response;
  });
  start();
  chat_.add(url("/v1"));
  fallback({says(good_stream())});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.body, text_delta("half"));
  EXPECT_EQ(answer.broken->code, ErrorCode::unavailable);
}

TEST_F(FailoverScenario, S11_NoDone) {
  primary({says(kStreamHead + http_chunk(kRoleEvent) + http_chunk(text_delta("hello")) + http_chunk(kStopEvent) +
                http_chunk(kUsageEvent) + kLastChunk)});
  fallback({says(good_stream())});
  expect_hello(ask(true), "chat");
}

TEST_F(FailoverScenario, S11_NoEndAtAll) {
  primary({stalls(kStreamHead + http_chunk(kRoleEvent + text_delta("hello") + kStopEvent + kUsageEvent))});
  expect_hello(timed(milliseconds(1000)), "chat");
}

TEST_F(FailoverScenario, S12_ContextOverflow) {
  primary({says(http_reply(400, kOverflow))});
  fallback({says(good_stream())});
  expect_hello(ask(true), "backup");
  EXPECT_EQ(servers_[0]->asked(), 1);
  EXPECT_THAT(outcomes(chat_), ElementsAre(Outcome::ignored));
}

TEST_F(FailoverScenario, S12_WithoutHelpTheServersWordsAreRelayed) {
  primary({says(http_reply(400, kOverflow))});
  fallback({says(http_reply(400, R"({"error":{"message":"another reason"}})"))});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, kOverflow);
}

TEST_F(FailoverScenario, S13_AContentFilterIsNotGoneRound) {
  primary({says(http_reply(400, kFiltered))});
  fallback({says(good_stream())});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, kFiltered);
  EXPECT_EQ(servers_[0]->asked() + servers_[1]->asked(), 1);
}

// Nothing is ever continued by a fallback, so that there is no prefill to reject; its refusal hides no cause.
TEST_F(FailoverScenario, S14_AFallbackThatRejects) {
  primary({says(http_reply(503, R"({"error":{"message":"the cause"}})"))});
  fallback({says(http_reply(400, R"({"error":{"message":"prefill is not supported"}})"))});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.error->code, ErrorCode::unavailable);
  EXPECT_THAT(answer.error->message, HasSubstr("the cause"));
}

TEST_F(FailoverScenario, S15_AFlappingUpstream) {
  std::vector<Act> acts;
  for (int i = 0; i < 40; ++i) acts.push_back(i % 4 < 2 ? says(http_reply(503, "{}")) : says(good_stream()));
  primary(std::move(acts));
  fallback({says(good_stream())});
  for (int i = 0; i < 20; ++i) {
    const Answer answer = ask(true);
    ASSERT_FALSE(answer.error || answer.broken) << i;
    EXPECT_EQ(answer.body, kHello);
  }
}

TEST_F(FailoverScenario, S16_AccountingNamesWhoAnswered) {
  primary({says(http_reply(503, "{}"))});
  fallback({says(good_stream())});
  const Answer answer = ask(true);
  EXPECT_EQ(answer.report.model, "backup");
  EXPECT_EQ(answer.report.endpoint_url, servers_[1]->url());
  EXPECT_EQ(answer.report.attempts, 3u);
  EXPECT_THAT(answer.report.degraded, ElementsAre("model:chat→backup"));
  EXPECT_EQ(answer.report.usage->prompt_tokens, 11);
  EXPECT_EQ(metric("ragtime_gateway_tokens_total", {{"model", "backup"}, {"kind", "prompt"}, {"source", "reported"}}),
            11);
  EXPECT_EQ(metric("ragtime_gateway_steps_total", {{"model", "chat"}, {"kind", "fallback"}}), 1);
}

TEST_F(FailoverScenario, TheTotalTimeBoundsEverything) {
  quick_.total = milliseconds(200);
  quick_.first_byte = milliseconds(5'000);
  primary({stalls()});
  fallback({stalls()});
  EXPECT_EQ(timed(milliseconds(2'000)).error->code, ErrorCode::deadline_exceeded);
}

// What an upstream may do, by itself and at every request.
struct Fault {
  const char* name;
  Act act;
  bool stream_is_well = false;  // The answer to a stream is complete all the same.
  bool whole_is_well = false;
};

std::vector<Fault> faults() {
  const std::string role = kStreamHead + http_chunk(kRoleEvent);
  const auto in_stream = [&](std::string_view bytes) { return role + http_chunk(bytes); };
  const auto after_half = [&](std::string_view bytes) { return kHalf + http_chunk(bytes); };
  const std::string error = sse(R"({"error":{"message":"m","code":500}})");
  const std::string long_line = "data: " + std::string(9u << 20, 'x');
  std::vector<Fault> out;
  for (const int status : {301, 401, 402, 403, 404, 405, 408, 425, 429, 500, 501, 502, 503, 504, 529}) {
    out.push_back({"status", says(http_reply(status, R"({"error":{"message":"m"}})"))});
  }
  for (const int status : {400, 409, 410, 413, 422}) {
    out.push_back({"refusal", says(http_reply(status, R"({"error":{"message":"m"}})")), true, true});
  }
  const std::pair<const char*, std::string> cuts[] = {
      {"no bytes", ""},
      {"half a status line", "HTTP/1.1 2"},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-Type: text/ev"},
      {"not HTTP", "SSH-2.0-x\r\n\r\n"},
      {"a head only", kStreamHead},
      {"an empty body", http_reply(200, "")},
      {"an empty stream", kStreamHead + kLastChunk},
      {"HTML", http_reply(200, "<html>")},
      {"half a JSON body",
       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"choices\":["},
      {"JSON that is cut by the server", http_reply(200, "{\"choices\":[")},
      {"no choices", http_reply(200, "{}")},
      {"an error as a body", http_reply(200, R"({"error":{"message":"m","code":500}})")},
      {"an answer given up", http_reply(200, R"({"choices":[{"finish_reason":"abort","message":{"content":""}}]})")},
      {"a role only", role},
      {"a role and the end", role + kLastChunk},
      {"a role and DONE", in_stream(kDoneEvent) + kLastChunk},
      {"usage and DONE", in_stream(kUsageEvent + kDoneEvent) + kLastChunk},
      {"an error first", kStreamHead + http_chunk(error + kDoneEvent) + kLastChunk},
      {"an error after the role", in_stream(error + kDoneEvent) + kLastChunk},
      {"an error named by its event", in_stream("event: error\ndata: {\"m\":1}\n\n") + kLastChunk},
      {"junk first", kStreamHead + http_chunk(sse("{{{")) + kLastChunk},
      {"a number", in_stream(sse("7")) + kLastChunk},
      {"an abort", in_stream(sse(R"({"choices":[{"delta":{},"finish_reason":"abort"}]})")) + kLastChunk},
      {"half an event", in_stream("data: {\"choices\":[{\"delta\":{\"content\":\"x") + kLastChunk},
      {"an event without end", in_stream(long_line)},
      {"a bad chunk size", kStreamHead + "zz\r\n"},
      {"a cut after text", kHalf},
      {"the end after text", kHalf + kLastChunk},
      {"DONE after text", after_half(kDoneEvent) + kLastChunk},
      {"an error after text", after_half(error + kDoneEvent) + kLastChunk},
      {"junk after text", after_half(sse("{{{") + kStopEvent + kDoneEvent) + kLastChunk},
      {"an abort after text", after_half(sse(R"({"choices":[{"delta":{},"finish_reason":"error"}]})")) + kLastChunk},
      {"a second choice without end",
       after_half(sse(R"({"choices":[{"index":1,"delta":{"content":"x"}}]})") + kStopEvent + kDoneEvent) + kLastChunk},
      {"a bad chunk size after text", kHalf + "zz\r\n"},
  };
  for (const auto& [name, bytes] : cuts) out.push_back({name, says(bytes)});
  out.push_back({"silence", stalls()});
  out.push_back({"silence after the head", stalls(kStreamHead)});
  out.push_back({"silence after the role", stalls(role)});
  out.push_back({"silence after text", stalls(kHalf)});
  out.push_back({"no DONE", says(after_half(kStopEvent) + kLastChunk), true});
  out.push_back({"a cut after the end", says(after_half(kStopEvent)), true});
  out.push_back({"silence after the end", stalls(after_half(kStopEvent)), true});
  out.push_back({"a whole answer", says(http_reply(200, kWhole)), true, true});
  return out;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class FaultMatrix : public FailoverScenario {
 protected:
  FaultMatrix() { with_fallback_ = false; }

  void check_stream(const Fault& fault, const Answer& answer) {
    // One end: an error in place of an answer, an error after a part of one, or "[DONE]" as the last event.
    if (answer.error) {
      EXPECT_FALSE(fault.stream_is_well);
      EXPECT_TRUE(answer.error->code == ErrorCode::unavailable || answer.error->code == ErrorCode::resource_exhausted);
      return;
    }
    if (answer.status != 200) {
      EXPECT_TRUE(fault.stream_is_well && !answer.broken);
      return;
    }
    EXPECT_EQ(answer.broken.has_value(), !fault.stream_is_well);
    EXPECT_EQ(count_of(answer.body, "[DONE]"), answer.broken ? 0u : 1u);
    EXPECT_EQ(answer.body.ends_with(kDoneEvent), !answer.broken);
    if (answer.broken) {
      EXPECT_THAT(answer.body, Not(HasSubstr("\"stop\"")));
    }
  }

  void check_whole(const Fault& fault, const Answer& answer) {
    EXPECT_EQ(answer.error.has_value(), !fault.whole_is_well);
    EXPECT_FALSE(answer.broken);
  }
};

TEST_F(FaultMatrix, EveryAnswerHasOneWellFormedEnd) {
  const std::vector<Fault> all = faults();
  EXPECT_GE(all.size(), 40u);
  std::size_t asked = 0;
  for (const bool stream : {true, false}) {
    for (const Fault& fault : all) {
      SCOPED_TRACE(std::string(fault.name) + (stream ? ", stream" : ", whole"));
      ActingServer upstream({fault.act});
      chat_.clear();
      chat_.add(upstream.url());
      const Answer answer = ask(stream);
      if (stream) {
        check_stream(fault, answer);
      } else {
        check_whole(fault, answer);
      }
      EXPECT_EQ(chat_.in_flight(), 0u);
      asked += static_cast<std::size_t>(upstream.asked());
    }
  }
  // The quota of ten seconds' requests holds over all of them.
  EXPECT_LE(static_cast<double>(asked), 1.2 * 2 * static_cast<double>(all.size()) + 3);
}

// With a fallback that is well every fault before the commit point is survived.
TEST_F(FaultMatrix, WhatComesBeforeTheFirstOutputIsSurvived) {
  with_fallback_ = true;
  fallback({says(good_stream())});
  for (const Fault& fault : faults()) {
    SCOPED_TRACE(fault.name);
    const bool committed =
        fault.act.bytes.find("half") != std::string::npos && fault.act.bytes.starts_with(kStreamHead);
    if (committed || fault.stream_is_well) continue;
    ActingServer upstream({fault.act});
    chat_.clear();
    chat_.add(upstream.url());
    expect_hello(ask(true), "backup");
  }
}

}  // namespace
}  // namespace ragtime::llm
