#include "server/api_reply.h"

#include <gtest/gtest.h>

#include "base/id.h"

namespace ragtime::server {
namespace {

class Answers : public ::testing::Test {
 protected:
  RequestContext context_{"req", "default", Deadline::never()};
  std::string streamed_;
  TextSink sink_ = [this](std::string_view delta) { streamed_ += delta; };
  AnswerReader reader_{sink_, context_};
};

TEST(ApiReply, ErrorsCarryTheServersMessage) {
  const auto reply = read_reply(404, R"({"error":{"message":"No such store.","param":"store"}})");
  ASSERT_TRUE(reply.has_error());
  EXPECT_EQ(reply.error().code, ErrorCode::not_found);
  EXPECT_EQ(reply.error().message, "No such store.");
  EXPECT_EQ(read_reply(502, "<html>").error().message, "the server answered with status 502");
  EXPECT_EQ(read_reply(200, "nonsense").error().code, ErrorCode::unavailable);
  EXPECT_EQ(read_reply(415, "{}").error().code, ErrorCode::unsupported);
}

TEST(ApiReply, UrlsAreEncoded) {
  EXPECT_EQ(encode_url("/a b/向?.md"), "%2Fa%20b%2F%E5%90%91%3F.md");
}

TEST(ApiReply, HitsKeepTheirPlace) {
  const auto reply = read_reply(200, R"({"data":[{"file_id":"f","filename":"a.pdf","score":0.5,"page":3,"chunk_id":"17",
      "heading_path":"A › B","start":10,"end":20,"scores":{"dense":0.25,"lexical":2},
      "content":[{"type":"text","text":"hello"}]}]})");
  ASSERT_TRUE(reply.has_value());
  const auto hit = read_hit(list_member(*reply, "data").at(0));
  EXPECT_EQ(hit.chunk.text, "hello");
  EXPECT_EQ(hit.chunk.page_first, 3);
  EXPECT_EQ(hit.chunk_id, 17);
  EXPECT_EQ(hit.lexical_score, 2);
}

TEST_F(Answers, DeltasStreamAndTheEndHasTheWhole) {
  ASSERT_TRUE(reader_.take(R"({"type":"response.output_text.delta","delta":"It is "})").has_value());
  ASSERT_TRUE(reader_.take(R"({"type":"response.output_text.delta","delta":"200."})").has_value());
  ASSERT_TRUE(reader_
                  .take(R"({"type":"response.completed","response":{"model":"m","output":[
      {"type":"file_search_call"},
      {"type":"message","content":[{"type":"output_text","text":"It is 200.","annotations":[
        {"type":"file_citation","file_id":"f","filename":"a.md","index":9,"quote":"200","verified":true}]}]}],
      "ragtime":{"timings":{"total":12.5},"degraded":["model:x"]}}})")
                  .has_value());
  ASSERT_TRUE(reader_.take("[DONE]").has_value());
  const auto answer = reader_.finish();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(streamed_, "It is 200.");
  EXPECT_EQ(answer->text, "It is 200.");
  ASSERT_EQ(answer->citations.size(), 1u);
  EXPECT_TRUE(answer->citations[0].verified);
  EXPECT_EQ(answer->degraded, std::vector<std::string>{"model:x"});
  ASSERT_EQ(context_.timings().snapshot().size(), 1u);
  EXPECT_EQ(context_.timings().snapshot()[0].milliseconds, 12.5);
}

TEST_F(Answers, AStreamThatEndsEarlyIsAnError) {
  ASSERT_TRUE(reader_.take(R"({"type":"response.output_text.delta","delta":"It"})").has_value());
  EXPECT_EQ(reader_.finish().error().code, ErrorCode::unavailable);
}

TEST_F(Answers, FailuresInTheStreamAreErrors) {
  EXPECT_EQ(reader_.take(R"({"type":"error","message":"gone"})").error().message, "gone");
  EXPECT_EQ(reader_.take(R"({"type":"response.failed","response":{"error":{"message":"broken"}}})").error().message,
            "broken");
}

}  // namespace
}  // namespace ragtime::server
