#include "load/answer_reader.h"

#include <gtest/gtest.h>

#include "load/reply_builder.h"
#include "load/script.h"

namespace ragtime::load {
namespace {

using namespace std::chrono_literals;

// The events of a script's stream, without HTTP.
std::string stream_of(std::string_view script) {
  ScriptRequest request;
  request.stream = true;
  request.tokens = 4;
  request.include_usage = true;
  std::string bytes;
  for (const auto& step : make_reply(*ScriptSpec::parse(script), request).steps) bytes += step.bytes;
  bytes.erase(0, bytes.find("\r\n\r\n") + 4);
  std::string out;
  while (!bytes.empty()) {
    const auto line = bytes.find("\r\n");
    const std::size_t size = std::stoul(bytes.substr(0, line), nullptr, 16);
    if (size == 0) break;
    out += bytes.substr(line + 2, size);
    bytes.erase(0, line + 2 + size + 2);
  }
  return out;
}

std::string verdict(std::string_view script) {
  AnswerReader reader(LoadOperation::chat, true, true);
  reader.feed(stream_of(script), AnswerReader::Time(1s));
  return reader.finish();
}

TEST(AnswerReader, JudgesStreamsByFinishReasonAndErrors) {
  EXPECT_EQ(verdict("plain"), "");
  EXPECT_EQ(verdict("no-done"), "");
  EXPECT_EQ(verdict("pings"), "");
  EXPECT_EQ(verdict("tool-calls"), "");
  EXPECT_EQ(verdict("no-finish"), "truncated");
  EXPECT_EQ(verdict("truncated"), "truncated");
  EXPECT_EQ(verdict("half-finished"), "truncated");
  EXPECT_EQ(verdict("error-later"), "error_event");
  EXPECT_EQ(verdict("error-first"), "error_event");
  EXPECT_EQ(verdict("finish-abort"), "error_event");
  EXPECT_EQ(verdict("malformed"), "malformed");
  EXPECT_EQ(verdict("done-only"), "empty");
  EXPECT_EQ(verdict("usage-only"), "empty");
}

TEST(AnswerReader, TellsTheRoleChunkFromTheFirstContent) {
  AnswerReader reader(LoadOperation::chat, true, true);
  const AnswerReader::Time start(1s);
  const auto event = [](std::string_view delta) {
    return R"(data: {"choices":[{"index":0,"delta":)" + std::string(delta) + R"(,"finish_reason":null}]})" + "\n\n";
  };
  reader.feed(event(R"({"role":"assistant","content":""})"), start + 10ms);
  reader.feed(event(R"({"content":"a"})"), start + 30ms);
  reader.feed(event(R"({"reasoning":"b"})"), start + 50ms);
  reader.feed(event(R"({"content":null})"), start + 60ms);
  reader.feed(event(R"({"content":"c"})"), start + 70ms);
  reader.feed("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", start + 80ms);
  reader.feed("data: {\"choices\":[],\"usage\":{\"completion_tokens\":9}}\n\ndata: [DONE]\n\n", start + 90ms);
  EXPECT_EQ(reader.finish(), "");
  EXPECT_EQ(*reader.first_chunk(), start + 10ms);
  EXPECT_EQ(*reader.first_content(), start + 30ms);
  EXPECT_EQ(reader.last_chunk(), start + 80ms);
  EXPECT_EQ(reader.gaps(), (std::vector<std::chrono::nanoseconds>{20ms, 20ms}));
  EXPECT_EQ(reader.output_tokens(), 9u);
  EXPECT_EQ(reader.text(), "ac");
}

TEST(AnswerReader, ReadsWholeAnswers) {
  const auto judge = [](LoadOperation operation, std::string_view body) {
    AnswerReader reader(operation, false, true);
    reader.feed(body.substr(0, body.size() / 2), AnswerReader::Time(1s));
    reader.feed(body.substr(body.size() / 2), AnswerReader::Time(2s));
    return reader.finish() + "|" + reader.text();
  };
  EXPECT_EQ(judge(LoadOperation::chat, R"({"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]})"), "|hi");
  EXPECT_EQ(judge(LoadOperation::completions, R"({"choices":[{"text":"hi","finish_reason":"length"}]})"), "|hi");
  EXPECT_EQ(judge(LoadOperation::chat, R"({"choices":[{"message":{"content":"hi"}}]})"), "truncated|hi");
  EXPECT_EQ(judge(LoadOperation::chat, R"({"error":{"message":"full"}})"), "error_body|");
  EXPECT_EQ(judge(LoadOperation::chat, "<html>"), "malformed|");
  EXPECT_EQ(judge(LoadOperation::embeddings, R"({"data":[{"embedding":[1]}]})"), "|");
  EXPECT_EQ(judge(LoadOperation::rerank, R"({"results":[]})"), "|");
  EXPECT_EQ(judge(LoadOperation::rerank, R"({"data":[]})"), "truncated|");
}

}  // namespace
}  // namespace ragtime::load
