// The two streamed forms of an answer, driven by hand.
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "api/chat_stream.h"
#include "api/response_stream.h"
#include "http/sse.h"

namespace ragtime::api {
namespace {

class Recorder final : public http::StreamWriter {
 public:
  Task<Result<void>> write(std::string_view bytes) override {
    if (gone) co_return make_error(ErrorCode::cancelled, "the client is gone");
    http::SseParser& parser = parser_;
    for (http::SseEvent& event : parser.feed(bytes)) events.push_back(std::move(event));
    co_return Result<void>();
  }

  json::object data(std::size_t i) const { return json::parse(events.at(i).data).as_object(); }

  std::vector<http::SseEvent> events;
  bool gone = false;

 private:
  http::SseParser parser_;
};

rag::Citation citation(std::size_t index) {
  rag::Citation out;
  out.index = index;
  out.file_id = "file-1";
  out.filename = "a.md";
  out.chunk_id = 7;
  out.quote = "412 revolutions";
  out.verified = true;
  return out;
}

ResponseDraft draft() {
  ResponseDraft out;
  out.id = "resp_1";
  out.search_item_id = "fs_1";
  out.message_item_id = "msg_1";
  out.fields["id"] = "resp_1";
  out.fields["object"] = "response";
  return out;
}

engine::SearchResults one_hit() {
  engine::SearchResults results;
  results.hits.emplace_back();
  results.hits[0].file_id = "file-1";
  results.hits[0].chunk.text = "the text";
  return results;
}

rag::Answer answer_of(std::string text, llm::FinishReason reason = llm::FinishReason::stop) {
  rag::Answer out;
  out.text = std::move(text);
  out.finish_reason = reason;
  out.usage = {.prompt_tokens = 5, .completion_tokens = 3};
  return out;
}

Task<> play(ResponseStream& stream, const ResponseDraft& of, bool search, llm::FinishReason reason) {
  const std::vector<std::string> queries = {"speed"};
  const engine::SearchResults results = one_hit();
  (co_await stream.start()).value();
  if (search) {
    (co_await stream.on_search_start(queries)).value();
    (co_await stream.on_search_done(results)).value();
  }
  (co_await stream.on_delta("It is 412. ")).value();
  (co_await stream.on_delta("")).value();
  (co_await stream.on_citation(citation(10))).value();
  (co_await stream.on_delta("转速。")).value();
  stream.close_message(reason);
  json::object last = finished_response(of, answer_of("", reason), stream.output(), 99);
  (co_await stream.finish(std::move(last))).value();
}

std::vector<std::string> types_of(const Recorder& recorder) {
  std::vector<std::string> types;
  for (const http::SseEvent& event : recorder.events) types.push_back(event.data == "[DONE]" ? "[DONE]" : event.event);
  return types;
}

TEST(ResponseStream, HasTheOrderThatClientsRelyOn) {
  Recorder recorder;
  const ResponseDraft of = draft();
  ResponseStream stream(of, recorder);
  async::sync_wait(play(stream, of, true, llm::FinishReason::stop));
  EXPECT_EQ(types_of(recorder),
            (std::vector<std::string>{
                "response.created", "response.in_progress", "response.output_item.added",
                "response.file_search_call.in_progress", "response.file_search_call.searching",
                "response.file_search_call.completed", "response.output_item.done", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta", "response.output_text.annotation.added",
                "response.output_text.delta", "response.output_text.done", "response.content_part.done",
                "response.output_item.done", "response.completed", "[DONE]"}));
  for (std::size_t i = 0; i + 1 < recorder.events.size(); ++i) {
    EXPECT_EQ(recorder.data(i).at("sequence_number"), i);
    EXPECT_EQ(recorder.data(i).at("type"), json::value(recorder.events[i].event));
    EXPECT_FALSE(recorder.data(i).contains("error")) << "the SDK takes this for a failure";
  }
}

TEST(ResponseStream, EventsAddressTheItemsAndRepeatTheWhole) {
  Recorder recorder;
  ResponseDraft of = draft();
  of.include_results = true;
  ResponseStream stream(of, recorder);
  async::sync_wait(play(stream, of, true, llm::FinishReason::stop));
  EXPECT_EQ(recorder.data(2).at("output_index"), 0);
  EXPECT_EQ(recorder.data(2).at("item").at("status"), "in_progress");
  EXPECT_EQ(recorder.data(6).at("item").at("queries").at(0), "speed");
  EXPECT_EQ(recorder.data(6).at("item").at("results").at(0).at("text"), "the text");
  EXPECT_EQ(recorder.data(7).at("output_index"), 1);
  EXPECT_TRUE(recorder.data(7).at("item").at("content").as_array().empty());
  EXPECT_EQ(recorder.data(9).at("item_id"), "msg_1");
  EXPECT_EQ(recorder.data(9).at("output_index"), 1);
  EXPECT_EQ(recorder.data(10).at("annotation_index"), 0);
  EXPECT_EQ(recorder.data(10).at("annotation").at("index"), 10);
  EXPECT_EQ(recorder.data(10).at("annotation").at("chunk_id"), "7");
  EXPECT_EQ(recorder.data(12).at("text"), "It is 412. 转速。");
  const json::object last = recorder.data(15).at("response").as_object();
  EXPECT_EQ(last.at("status"), "completed");
  EXPECT_EQ(last.at("completed_at"), 99);
  EXPECT_EQ(last.at("usage").at("total_tokens"), 8);
  EXPECT_EQ(last.at("output").as_array().size(), 2u);
  EXPECT_EQ(last.at("output").at(1).at("content").at(0).at("text"), "It is 412. 转速。");
  EXPECT_EQ(last.at("output").at(1).at("content").at(0).at("annotations").as_array().size(), 1u);
}

TEST(ResponseStream, WithoutSearchTheMessageComesFirst) {
  Recorder recorder;
  const ResponseDraft of = draft();
  ResponseStream stream(of, recorder);
  async::sync_wait(play(stream, of, false, llm::FinishReason::length));
  EXPECT_EQ(recorder.events[2].event, "response.output_item.added");
  EXPECT_EQ(recorder.data(2).at("output_index"), 0);
  EXPECT_EQ(recorder.data(2).at("item").at("type"), "message");
  const json::object last = recorder.data(recorder.events.size() - 2);
  EXPECT_EQ(last.at("type"), "response.incomplete");
  EXPECT_EQ(last.at("response").at("incomplete_details").at("reason"), "max_output_tokens");
  EXPECT_EQ(last.at("response").at("output").at(0).at("status"), "incomplete");
}

TEST(ResponseStream, AnEmptyAnswerStillHasAMessage) {
  Recorder recorder;
  const ResponseDraft of = draft();
  ResponseStream stream(of, recorder);
  stream.close_message(llm::FinishReason::stop);
  ASSERT_EQ(stream.output().size(), 1u);
  EXPECT_EQ(stream.output().at(0).at("content").at(0).at("text"), "");
}

Task<> break_off(ResponseStream& stream, const ResponseDraft& of) {
  (co_await stream.start()).value();
  (co_await stream.on_delta("half")).value();
  const Error error = make_error(ErrorCode::unavailable, "the upstream is gone");
  json::object last = failed_response(of, error, stream.output());
  (co_await stream.fail(error, std::move(last))).value();
}

TEST(ResponseStream, AFailureIsAnErrorThenFailedThenDone) {
  Recorder recorder;
  const ResponseDraft of = draft();
  ResponseStream stream(of, recorder);
  async::sync_wait(break_off(stream, of));
  const std::vector<std::string> types = types_of(recorder);
  EXPECT_EQ(std::vector<std::string>(types.end() - 3, types.end()),
            (std::vector<std::string>{"error", "response.failed", "[DONE]"}));
  const json::object error = recorder.data(types.size() - 3);
  EXPECT_EQ(error.at("message"), "the upstream is gone");
  EXPECT_FALSE(error.contains("error"));
  EXPECT_EQ(recorder.data(types.size() - 2).at("response").at("error").at("code"), "server_error");
  EXPECT_EQ(recorder.data(types.size() - 2).at("response").at("status"), "failed");
}

TEST(ResponseStream, StopsWhenTheClientIsGone) {
  Recorder recorder;
  recorder.gone = true;
  const ResponseDraft of = draft();
  ResponseStream stream(of, recorder);
  const auto started = async::sync_wait(stream.start());
  ASSERT_TRUE(started.has_error());
  EXPECT_EQ(started.error().code, ErrorCode::cancelled);
}

TEST(ResponseItems, WithoutIncludeResultsAreNull) {
  rag::Answer answer = answer_of("text");
  answer.search = one_hit();
  answer.citations.push_back(citation(4));
  const json::array items = output_items(draft(), answer, true);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_TRUE(items.at(0).at("results").is_null());
  EXPECT_EQ(items.at(1).at("content").at(0).at("annotations").at(0).at("type"), "file_citation");
  EXPECT_EQ(output_items(draft(), answer, false).size(), 1u);
}

ChatFrame frame(bool usage) {
  ChatFrame out;
  out.id = "chatcmpl-1";
  out.created = 42;
  out.model = "m";
  out.include_usage = usage;
  return out;
}

Task<> play_chat(ChatStream& stream) {
  (co_await stream.start()).value();
  (co_await stream.on_delta("It is 412.")).value();
  (co_await stream.on_citation(citation(10))).value();
  json::object ragtime;
  ragtime["timings"] = json::object();
  (co_await stream.finish(answer_of("It is 412."), std::move(ragtime))).value();
}

TEST(ChatStream, ChunksFollowOpenAisOrder) {
  Recorder recorder;
  ChatStream stream(frame(true), recorder);
  async::sync_wait(play_chat(stream));
  ASSERT_EQ(recorder.events.size(), 6u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(recorder.events[i].event, "") << "chat streams have no event lines";
    EXPECT_EQ(recorder.data(i).at("id"), "chatcmpl-1");
    EXPECT_EQ(recorder.data(i).at("created"), 42);
    EXPECT_TRUE(recorder.data(i).contains("usage"));
  }
  EXPECT_EQ(recorder.data(0).at("choices").at(0).at("delta").at("role"), "assistant");
  EXPECT_EQ(recorder.data(1).at("choices").at(0).at("delta").at("content"), "It is 412.");
  EXPECT_TRUE(recorder.data(1).at("choices").at(0).at("finish_reason").is_null());
  EXPECT_EQ(recorder.data(2).at("choices").at(0).at("delta").at("annotations").at(0).at("index"), 10);
  EXPECT_EQ(recorder.data(3).at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_TRUE(recorder.data(3).contains("ragtime"));
  EXPECT_TRUE(recorder.data(3).at("usage").is_null());
  EXPECT_TRUE(recorder.data(4).at("choices").as_array().empty());
  EXPECT_EQ(recorder.data(4).at("usage").at("total_tokens"), 8);
  EXPECT_EQ(recorder.events[5].data, "[DONE]");
}

TEST(ChatStream, UsageOnlyWhenAskedFor) {
  Recorder recorder;
  ChatStream stream(frame(false), recorder);
  async::sync_wait(play_chat(stream));
  ASSERT_EQ(recorder.events.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FALSE(recorder.data(i).contains("usage"));
}

TEST(ChatStream, AFailureHasNoFinishReason) {
  Recorder recorder;
  ChatStream stream(frame(false), recorder);
  async::sync_wait(stream.fail(make_error(ErrorCode::unavailable, "gone"))).value();
  ASSERT_EQ(recorder.events.size(), 1u);
  EXPECT_EQ(recorder.data(0).at("error").at("message"), "gone");
}

TEST(ChatCompletion, CarriesAnnotations) {
  rag::Answer answer = answer_of("It is 412.", llm::FinishReason::length);
  answer.citations.push_back(citation(10));
  const json::object completion = chat_completion_object(frame(false), answer);
  EXPECT_EQ(completion.at("choices").at(0).at("finish_reason"), "length");
  EXPECT_EQ(completion.at("choices").at(0).at("message").at("annotations").at(0).at("quote"), "412 revolutions");
  EXPECT_EQ(completion.at("usage").at("prompt_tokens"), 5);
}

}  // namespace
}  // namespace ragtime::api
