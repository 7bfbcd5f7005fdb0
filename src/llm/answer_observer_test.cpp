#include "llm/answer_observer.h"

#include <random>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "llm/whole_answer.h"

namespace ragtime::llm {
namespace {

using testing::HasSubstr;

std::string event(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

const std::string kRole = event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
const std::string kStop = event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
const std::string kUsage = event(R"({"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}})");
const std::string kDone = event("[DONE]");

std::string delta(std::string_view text, int index = 0) {
  return event(R"({"choices":[{"index":)" + std::to_string(index) + R"(,"delta":{"content":")" + std::string(text) +
               R"("},"finish_reason":null}]})");
}

// What comes out of a whole stream in pieces of `step` bytes, with the end.
std::string relayed(AnswerObserver& observer, std::string_view bytes, std::size_t step) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) out += observer.take(std::string(bytes.substr(at, step)));
  return out + observer.finish();
}

TEST(AnswerObserverTest, RelaysUnchangedInAnyPieces) {
  const std::string bytes =
      ": ping\n\n" + kRole + delta("a") + "event: x\nid: 7\n" + delta("文") + kStop + kUsage + kDone;
  for (std::size_t step = 1; step < bytes.size(); ++step) {
    AnswerObserver observer({});
    EXPECT_EQ(relayed(observer, bytes, step), bytes) << step;
    EXPECT_TRUE(observer.complete() && observer.done() && !observer.fault());
    EXPECT_EQ(observer.usage()->prompt_tokens, 11);
    EXPECT_EQ(observer.outputs(), 2u);
  }
}

TEST(AnswerObserverTest, HoldsLifecycleFramesUntilTheFirstOutput) {
  AnswerObserver observer({});
  EXPECT_EQ(observer.take(": ping\n\n" + kRole), "");
  EXPECT_EQ(observer.take(kRole), "");
  EXPECT_FALSE(observer.committed());
  EXPECT_EQ(observer.take(delta("a")), ": ping\n\n" + kRole + kRole + delta("a"));
  EXPECT_TRUE(observer.committed());
  EXPECT_EQ(observer.take(delta("b")), delta("b"));
}

TEST(AnswerObserverTest, EveryKindOfOutputCommits) {
  for (const char* choice :
       {R"("delta":{"content":"x"})", R"("delta":{"reasoning":"x"})", R"("delta":{"reasoning_content":"x"})",
        R"("delta":{"tool_calls":[{"index":0}]})", R"("delta":{"function_call":{"name":"f"}})",
        R"("delta":{"refusal":"x"})", R"("delta":{"content":[{"type":"text"}]})", R"("delta":{"audio":{"id":"a"}})",
        R"("text":"x")", R"("delta":{"c\u006fntent":"x"})", R"("delta":{},"finish_reason":"stop")",
        R"("index":3,"delta":{"content":"x"})"}) {
    AnswerObserver observer({});
    observer.take(event(R"({"choices":[{)" + std::string(choice) + "}]}"));
    EXPECT_TRUE(observer.committed()) << choice;
  }
  for (const char* choice :
       {R"("delta":{"role":"assistant"})", R"("delta":{"content":""})", R"("delta":{"content":null})",
        R"("delta":{"tool_calls":[]})", R"("text":"")", R"("delta":null)", R"("finish_reason":null)"}) {
    AnswerObserver observer({});
    observer.take(event(R"({"choices":[{)" + std::string(choice) + "}]}"));
    EXPECT_FALSE(observer.committed()) << choice;
    EXPECT_FALSE(observer.fault()) << choice;
  }
}

TEST(AnswerObserverTest, UsageIsTakenOutUnlessAskedFor) {
  for (const bool keep : {false, true}) {
    AnswerObserverConfig config;
    config.keep_usage = keep;
    AnswerObserver observer(config);
    const std::string out = relayed(observer, kRole + delta("a") + kStop + kUsage + kDone, 1000);
    EXPECT_EQ(out, kRole + delta("a") + kStop + (keep ? kUsage : "") + kDone);
    EXPECT_EQ(observer.usage()->completion_tokens, 2);
  }
  // Usage beside a choice, or no choice without usage, belongs to the answer.
  AnswerObserverConfig config;
  config.keep_usage = false;
  AnswerObserver observer(config);
  const std::string bytes = event(R"({"choices":[],"prompt_filter_results":[]})") + delta("a") +
                            event(R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})") +
                            kDone;
  EXPECT_EQ(relayed(observer, bytes, 7), bytes);
}

TEST(AnswerObserverTest, DoneAloneIsNoProof) {
  for (const std::string& bytes :
       {delta("a") + kDone, delta("a"), kRole + kDone, std::string(), kDone, kUsage + kDone}) {
    AnswerObserver observer({});
    EXPECT_THAT(relayed(observer, bytes, 1000), testing::Not(HasSubstr("[DONE]"))) << bytes;
    ASSERT_TRUE(observer.fault()) << bytes;
    EXPECT_EQ(observer.fault()->kind, FaultKind::cut);
  }
}

TEST(AnswerObserverTest, AMissingDoneIsAdded) {
  AnswerObserver observer({});
  EXPECT_EQ(relayed(observer, delta("a") + kStop, 1000), delta("a") + kStop + kDone);
  AnswerObserver unfinished_event({});
  EXPECT_EQ(relayed(unfinished_event, delta("a") + kStop.substr(0, kStop.size() - 2), 1000),
            delta("a") + kStop + kDone);
  AnswerObserver half_an_event({});
  EXPECT_EQ(relayed(half_an_event, delta("a") + kStop.substr(0, 20), 1000), delta("a"));
  EXPECT_EQ(half_an_event.fault()->kind, FaultKind::cut);
}

TEST(AnswerObserverTest, EveryChoiceNeedsItsEnd) {
  const std::string second = event(R"({"choices":[{"index":1,"delta":{},"finish_reason":"length"}]})");
  AnswerObserverConfig two;
  two.choices = 2;
  AnswerObserver observer(two);
  EXPECT_FALSE(relayed(observer, delta("a") + delta("b", 1) + kStop + second + kDone, 9).empty());
  EXPECT_TRUE(observer.done());
  for (const std::string& bytes : {delta("a") + delta("b", 1) + kStop + kDone, delta("a") + kStop + kDone}) {
    AnswerObserver cut(two);
    relayed(cut, bytes, 1000);
    EXPECT_TRUE(cut.fault()) << bytes;
  }
  // A choice that nobody asked for counts too.
  AnswerObserver more({});
  relayed(more, delta("a") + delta("b", 1) + kStop + kDone, 1000);
  EXPECT_TRUE(more.fault());
}

TEST(AnswerObserverTest, ErrorsInTheStream) {
  const std::pair<const char*, int> cases[] = {
      {R"({"error":{"message":"these words","code":400}})", 400},
      {R"({"error":{"message":"these words","code":"rate_limit_exceeded"}})", 429},
      {R"({"error":{"message":"these words","type":"overloaded_error","code":null}})", 429},
      {R"({"error":{"message":"these words","code":"context_length_exceeded"}})", 400},
      {R"({"object":"error","message":"these words","code":503})", 503},
      {R"({"error":"these words"})", 500},
  };
  for (const auto& [data, status] : cases) {
    AnswerObserver observer({});
    EXPECT_EQ(observer.take(kRole + event(data)), "");
    ASSERT_TRUE(observer.fault()) << data;
    EXPECT_EQ(observer.fault()->status, status) << data;
    EXPECT_THAT(observer.fault()->message, HasSubstr("these words")) << data;
  }
  AnswerObserver late({});
  EXPECT_EQ(late.take(delta("a") + event(R"({"error":{"message":"m"}})") + kDone), delta("a"));
  EXPECT_TRUE(late.fault());
  EXPECT_EQ(late.take(kStop + kDone), "");
  AnswerObserver null_error({});
  null_error.take(event(R"({"error":null,"choices":[{"delta":{"content":"a"}}]})"));
  EXPECT_FALSE(null_error.fault());
  AnswerObserver named({});
  named.take("event: error\ndata: {\"detail\":\"m\"}\n\n");
  EXPECT_TRUE(named.fault());
}

TEST(AnswerObserverTest, MalformedEvents) {
  for (const char* data : {"{\"choices\":[", "7", "nonsense", "{} {}", R"({"choices":[7]})",
                           R"({"choices":[{"index":-1,"delta":{"content":"a"}}]})",
                           R"({"choices":[{"index":5000,"delta":{"content":"a"}}]})"}) {
    AnswerObserver observer({});
    EXPECT_EQ(observer.take(delta("a") + event(data) + kStop), delta("a")) << data;
    ASSERT_TRUE(observer.fault()) << data;
    EXPECT_EQ(observer.fault()->kind, FaultKind::malformed) << data;
  }
  for (const char* reason : {"abort", "error"}) {
    AnswerObserver observer({});
    observer.take(event(R"({"choices":[{"delta":{},"finish_reason":")" + std::string(reason) + "\"}]}"));
    EXPECT_TRUE(observer.fault()) << reason;
  }
}

TEST(AnswerObserverTest, NothingIsMissingAfterTheLastFinishReason) {
  AnswerObserver observer({});
  const std::string out =
      relayed(observer, delta("a") + kStop + event(R"({"error":{"message":"late"}})") + event("junk") + kDone, 11);
  EXPECT_EQ(out, delta("a") + kStop + kDone);
  EXPECT_FALSE(observer.fault());
}

TEST(AnswerObserverTest, LineEndsOfAllKinds) {
  for (const char* end : {"\n", "\r\n", "\r"}) {
    std::string bytes = "\xEF\xBB\xBF";
    for (const char* data : {R"({"choices":[{"delta":{"content":"a"}}]})",
                             R"({"choices":[{"delta":{},"finish_reason":"stop"}]})", "[DONE]"}) {
      bytes += std::string("data:") + data + end + end;
    }
    for (std::size_t step = 1; step < bytes.size(); ++step) {
      AnswerObserver observer({});
      const std::string out = relayed(observer, bytes, step);
      EXPECT_TRUE(observer.done());
      // The last line feed may come when all has been said.
      EXPECT_TRUE(bytes.starts_with(out) && out.size() + 1 >= bytes.size()) << step << out;
    }
  }
  AnswerObserver lines({});
  lines.take("data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a\"}}]}\n\n");
  EXPECT_TRUE(lines.committed());
}

TEST(AnswerObserverTest, SizesAreBounded) {
  AnswerObserverConfig config;
  config.event_bytes_max = 1000;
  config.held_bytes_max = 1000;
  AnswerObserver endless(config);
  endless.take("data: " + std::string(2000, 'x'));
  EXPECT_EQ(endless.fault()->kind, FaultKind::malformed);
  AnswerObserver idle_talk(config);
  for (int i = 0; i < 200; ++i) idle_talk.take(": still here\n\n");
  EXPECT_EQ(idle_talk.fault()->kind, FaultKind::malformed);
}

TEST(AnswerObserverTest, HoldingAllNeedsTheWholeAnswer) {
  AnswerObserverConfig config;
  config.hold_all = true;
  AnswerObserver observer(config);
  EXPECT_EQ(observer.take(kRole + delta("a")), "");
  EXPECT_FALSE(observer.committed());
  EXPECT_EQ(observer.take(kStop), kRole + delta("a") + kStop);
  EXPECT_EQ(observer.take(kDone), kDone);
}

// Random cuts and damage never give a proper end to an answer that has none.
TEST(AnswerObserverTest, ADamagedStreamNeverEndsWell) {
  const auto seed = static_cast<std::mt19937::result_type>(std::random_device()());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string whole = kRole + delta("some") + delta(" text") + kStop + kUsage + kDone;
  const std::size_t finish_at = whole.find("\"stop\"") + 6;
  for (int round = 0; round < 2000; ++round) {
    AnswerObserver observer({});
    const std::string cut = whole.substr(0, random() % finish_at);
    const std::string out = relayed(observer, cut, 1 + random() % 40);
    EXPECT_TRUE(observer.fault());
    EXPECT_EQ(out, cut.substr(0, out.size()));
  }
}

TEST(WholeAnswerTest, ChecksABody) {
  std::optional<ChatUsage> usage;
  const std::string good =
      R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}})";
  EXPECT_FALSE(check_whole_answer(good, usage));
  EXPECT_EQ(usage->completion_tokens, 4);
  for (const char* body :
       {"", "{}", "[]", "<html>", R"({"choices":[]})", R"({"choices":[{}]} x)", R"({"choices":[{})",
        R"({"choices":[{"finish_reason":"abort"}]})", R"({"error":{"message":"m"},"choices":[{}]})"}) {
    EXPECT_TRUE(check_whole_answer(body, usage)) << body;
  }
}

TEST(WholeAnswerTest, BecomesAStream) {
  const std::string body =
      R"({"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x",)"
      R"("tool_calls":[{"id":"c"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}})";
  AnswerObserver observer({});
  const std::string out = relayed(observer, events_of_answer(body), 1000);
  EXPECT_TRUE(observer.done());
  EXPECT_EQ(observer.usage()->prompt_tokens, 3);
  EXPECT_THAT(out, HasSubstr(R"("object":"chat.completion.chunk")"));
  EXPECT_THAT(out, HasSubstr(R"("delta":{"role":"assistant","content":"x","tool_calls":[{"id":"c","index":0}]})"));
}

TEST(UpstreamFaultTest, WhatMayBeDone) {
  const auto status = [](int code, std::string word = {}) {
    return judge(UpstreamFault{FaultKind::status, code, "", std::move(word)});
  };
  EXPECT_EQ(status(429).outcome, Outcome::overloaded);
  EXPECT_EQ(status(503).outcome, Outcome::overloaded);
  EXPECT_TRUE(status(503).same_endpoint);
  EXPECT_EQ(status(500).outcome, Outcome::failed);
  EXPECT_FALSE(status(401).same_endpoint || status(401).relay);
  EXPECT_TRUE(status(404).other_model);
  EXPECT_TRUE(status(400).relay && !status(400).other_endpoint && !status(400).other_model);
  EXPECT_EQ(status(400).outcome, Outcome::ignored);
  EXPECT_TRUE(status(400, "context_length_exceeded").other_model);
  EXPECT_FALSE(status(400, "context_length_exceeded").other_endpoint);
  EXPECT_FALSE(status(400, "content_filter").other_model);
  EXPECT_FALSE(judge({FaultKind::silence, 0, "", {}}).same_endpoint);
  EXPECT_TRUE(judge({FaultKind::connection, 0, "", {}}).same_endpoint);
}

TEST(UpstreamFaultTest, RetryAfter) {
  EXPECT_EQ(parse_retry_after("7"), std::chrono::seconds(7));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(parse_retry_after("99999999"), std::chrono::hours(1));
  for (const char* text : {"", "soon", "1.5", "7 s"}) EXPECT_FALSE(parse_retry_after(text)) << text;
}

}  // namespace
}  // namespace ragtime::llm
