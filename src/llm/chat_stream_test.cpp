#include "llm/chat_stream.h"

#include <gtest/gtest.h>

namespace ragtime::llm {
namespace {

std::string take(ChatStream& stream, std::string_view data) {
  auto text = stream.take(data);
  EXPECT_TRUE(text.has_value()) << data;
  return text.has_value() ? *text : "";
}

TEST(ChatStream, AWholeAnswer) {
  ChatStream stream;
  EXPECT_EQ(take(stream, R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"),
            "");
  EXPECT_EQ(take(stream, R"({"choices":[{"index":0,"delta":{"content":"你好"}}]})"), "你好");
  EXPECT_EQ(take(stream, R"({"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":null}}]})"), "");
  EXPECT_EQ(take(stream, R"({"choices":[{"index":0,"delta":{},"finish_reason":"length"}]})"), "");
  EXPECT_EQ(take(stream, R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}})"), "");
  EXPECT_FALSE(stream.done());
  EXPECT_EQ(take(stream, "[DONE]"), "");
  EXPECT_TRUE(stream.done());
  const ChatOutcome outcome = stream.finish().value();
  EXPECT_EQ(outcome.finish_reason, FinishReason::length);
  EXPECT_EQ(outcome.usage.prompt_tokens, 7);
  EXPECT_EQ(outcome.usage.completion_tokens, 3);
  EXPECT_FALSE(outcome.usage.estimated);
}

TEST(ChatStream, WithoutAFinishReasonTheAnswerWasCut) {
  ChatStream stream;
  take(stream, R"({"choices":[{"delta":{"content":"half"}}]})");
  EXPECT_EQ(stream.finish().error().code, ErrorCode::unavailable);
  take(stream, "[DONE]");
  EXPECT_EQ(stream.finish().error().code, ErrorCode::unavailable);
}

TEST(ChatStream, UsageIsMarkedAsEstimatedWhenTheServerSentNone) {
  ChatStream stream;
  take(stream, R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null})");
  EXPECT_TRUE(stream.finish().value().usage.estimated);
}

TEST(ChatStream, ErrorsInTheStream) {
  ChatStream stream;
  auto failed = stream.take(R"({"error":{"message":"the engine died","code":500}})");
  ASSERT_TRUE(failed.has_error());
  EXPECT_NE(failed.error().message.find("the engine died"), std::string::npos);
  EXPECT_EQ(stream.take("{not json").error().code, ErrorCode::unavailable);
  EXPECT_EQ(stream.take("[1,2]").error().code, ErrorCode::unavailable);
}

TEST(ChatStream, ForeignShapesAreHarmless) {
  for (const char* data : {"{}", R"({"choices":{}})", R"({"choices":[5]})", R"({"choices":[{"delta":5}]})",
                           R"({"choices":[{"delta":{"content":5},"finish_reason":6}],"usage":7})"}) {
    ChatStream stream;
    EXPECT_EQ(take(stream, data), "") << data;
    EXPECT_TRUE(stream.finish().has_error()) << data;
  }
}

TEST(UpstreamMessage, FindsTheMessageInEveryCommonShape) {
  EXPECT_EQ(upstream_message(R"({"error":{"message":"a"}})"), "a");
  EXPECT_EQ(upstream_message(R"({"error":"b"})"), "b");
  EXPECT_EQ(upstream_message(R"({"object":"error","message":"c"})"), "c");
  EXPECT_EQ(upstream_message("<html>"), "<html>");
  EXPECT_LE(upstream_message(std::string(10'000, 'x')).size(), 500u);
}

}  // namespace
}  // namespace ragtime::llm
