#include "load/script.h"

#include <set>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "http/response_parser.h"
#include "http/sse.h"
#include "load/reply_builder.h"

namespace ragtime::load {
namespace {

namespace json = boost::json;

std::string bytes_of(const Reply& reply) {
  std::string out;
  for (const auto& step : reply.steps) out += step.bytes;
  return out;
}

Reply reply_of(std::string_view script, bool stream, std::size_t tokens = 8) {
  ScriptRequest request;
  request.stream = stream;
  request.tokens = tokens;
  return make_reply(*ScriptSpec::parse(script), request);
}

// What a careful client makes of the bytes.
struct Seen {
  std::string framing = "cut";  // "complete", "cut" or "broken".
  int status = 0;
  std::string body;
  std::string text;
  std::string finish;
  bool done = false;
  bool error = false;
  bool malformed = false;
};

void take_object(const json::value& value, Seen& seen) {
  if (!value.is_object()) {
    seen.malformed = true;
    return;
  }
  const auto& event = value.get_object();
  seen.error = seen.error || event.contains("error");
  const auto* choices = event.if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return;
  for (const auto& choice : choices->get_array()) {
    if (!choice.is_object()) continue;
    const auto* delta = choice.get_object().if_contains("delta");
    const auto* content = delta != nullptr && delta->is_object() ? delta->get_object().if_contains("content") : nullptr;
    if (content != nullptr && content->is_string()) seen.text += std::string_view(content->get_string());
    const auto* finish = choice.get_object().if_contains("finish_reason");
    if (finish != nullptr && finish->is_string()) seen.finish = finish->get_string();
  }
}

Seen see(const std::string& bytes) {
  Seen seen;
  boost::beast::flat_buffer buffer;
  const auto space = buffer.prepare(bytes.size());
  std::copy(bytes.begin(), bytes.end(), static_cast<char*>(space.data()));
  buffer.commit(bytes.size());
  http::ResponseParser parser(false);
  auto head = parser.read_head(buffer);
  if (head.has_error()) {
    seen.framing = "broken";
    return seen;
  }
  if (!*head) return seen;
  seen.status = (*head)->status;
  while (!parser.body_done()) {
    auto progress = parser.read_body(buffer, seen.body, bytes.size());
    if (progress.has_error()) seen.framing = "broken";
    if (progress.has_error() || !*progress) break;
  }
  if (seen.framing != "broken" && (parser.body_done() || parser.end_of_stream().has_value())) seen.framing = "complete";
  http::SseParser events;
  for (const auto& event : events.feed(seen.body)) {
    if (event.data == "[DONE]") {
      seen.done = true;
      continue;
    }
    boost::system::error_code error;
    const auto value = json::parse(event.data, error);
    seen.malformed = seen.malformed || error;
    if (!error) take_object(value, seen);
  }
  return seen;
}

TEST(ScriptSpec, ReadsNamesAndSettings) {
  const auto spec = ScriptSpec::parse("openai/cut@after=3,ms=20,text=a b");
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(spec->name, "cut");
  EXPECT_EQ(spec->number("after", 0), 3u);
  EXPECT_EQ(spec->ms(0), std::chrono::milliseconds(20));
  EXPECT_EQ(spec->text("text", ""), "a b");
  EXPECT_EQ(spec->number("text", 7), 7u);
  EXPECT_TRUE(ScriptSpec::parse("").has_error());
  EXPECT_TRUE(ScriptSpec::parse("cut@after").has_error());
  EXPECT_TRUE(ScriptSpec::parse("cut@=3").has_error());
}

TEST(Scripts, HaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const auto& script : all_scripts()) {
    EXPECT_TRUE(names.insert(script.name).second) << script.name;
    EXPECT_FALSE(script.summary.empty()) << script.name;
    EXPECT_FALSE(reply_of(script.name, true).steps.empty()) << script.name;
    EXPECT_FALSE(reply_of(script.name, false).steps.empty()) << script.name;
  }
  EXPECT_GE(names.size(), 80u);
}

TEST(Scripts, PlainAnswersAreWholeInBothForms) {
  const Seen stream = see(bytes_of(reply_of("plain", true)));
  EXPECT_EQ(stream.framing, "complete");
  EXPECT_EQ(stream.text, answer_text(8));
  EXPECT_EQ(stream.finish, "stop");
  EXPECT_TRUE(stream.done);
  const Seen whole = see(bytes_of(reply_of("plain", false)));
  EXPECT_EQ(whole.framing, "complete");
  const auto body = json::parse(whole.body);
  EXPECT_EQ(body.at("choices").at(0).at("message").at("content").as_string(), answer_text(8));
  EXPECT_EQ(body.at("usage").at("completion_tokens").as_int64(), 8);
}

TEST(Scripts, StreamsSendOneEventPerWriteAndUsageOnlyWhenAsked) {
  ScriptRequest request;
  request.stream = true;
  request.tokens = 4;
  EXPECT_EQ(bytes_of(make_reply({}, request)).find("usage"), std::string::npos);
  request.include_usage = true;
  const Reply reply = make_reply({}, request);
  EXPECT_NE(bytes_of(reply).find(R"("choices":[],"usage":{)"), std::string::npos);
  ASSERT_EQ(reply.steps.size(), 1 + 4 + 1 + 1 + 1u);  // Head with role, tokens, finish, usage, [DONE].
  EXPECT_EQ(reply.steps[0].pace, Step::Pace::first_token);
  EXPECT_EQ(reply.steps[1].pace, Step::Pace::none);
  EXPECT_EQ(reply.steps[2].pace, Step::Pace::next_token);
}

struct Expected {
  std::string_view script;
  std::string_view framing;
  std::string_view finish;
  bool done;
  bool error = false;
  bool malformed = false;
  std::size_t tokens = 8;  // Of the text.
};

class StreamScripts : public testing::TestWithParam<Expected> {};

TEST_P(StreamScripts, SayWhatTheyPromise) {
  const Expected& expected = GetParam();
  const Seen seen = see(bytes_of(reply_of(expected.script, true)));
  EXPECT_EQ(seen.framing, expected.framing) << expected.script;
  EXPECT_EQ(seen.finish, expected.finish) << expected.script;
  EXPECT_EQ(seen.done, expected.done) << expected.script;
  EXPECT_EQ(seen.error, expected.error) << expected.script;
  EXPECT_EQ(seen.malformed, expected.malformed) << expected.script;
  EXPECT_EQ(seen.text, answer_text(expected.tokens)) << expected.script;
}

INSTANTIATE_TEST_SUITE_P(
    All, StreamScripts,
    testing::Values(
        Expected{"split", "complete", "stop", true}, Expected{"crlf", "complete", "stop", true},
        Expected{"coalesced", "complete", "stop", true}, Expected{"no-space", "complete", "stop", true},
        Expected{"pings", "complete", "stop", true}, Expected{"ids", "complete", "stop", true},
        Expected{"early-hints", "complete", "stop", true}, Expected{"chunk-extensions", "complete", "stop", true},
        Expected{"until-close", "complete", "stop", true}, Expected{"sized-stream", "complete", "stop", true},
        Expected{"no-type", "complete", "stop", true}, Expected{"wrong-type", "complete", "stop", true},
        Expected{"finish@reason=length", "complete", "length", true}, Expected{"finish-abort", "complete", "abort", true},
        Expected{"finish-error", "complete", "error", true},
        Expected{"finish-filtered", "complete", "content_filter", true},
        Expected{"empty-choices", "complete", "stop", true}, Expected{"null-fields", "complete", "stop", true},
        Expected{"late-usage", "complete", "stop", true}, Expected{"usage-everywhere", "complete", "stop", true},
        Expected{"reasoning", "complete", "stop", true},
        Expected{"reasoning-only", "complete", "stop", true, false, false, 0},
        Expected{"tool-calls", "complete", "tool_calls", true, false, false, 0},
        Expected{"refusal", "complete", "stop", true, false, false, 0},
        Expected{"extra-fields", "complete", "stop", true}, Expected{"no-done", "complete", "stop", false},
        Expected{"cut-after-finish", "cut", "stop", false}, Expected{"no-finish", "complete", "", true},
        Expected{"truncated", "complete", "", false, false, false, 3},
        Expected{"truncated-first", "complete", "", false, false, false, 0},
        Expected{"done-only", "complete", "", true, false, false, 0},
        Expected{"empty-stream", "complete", "", false, false, false, 0},
        Expected{"role-only", "complete", "", true, false, false, 0},
        Expected{"usage-only", "complete", "", true, false, false, 0},
        Expected{"error-first", "complete", "", true, true, false, 0},
        Expected{"error-rate", "complete", "", true, true, false, 0},
        Expected{"error-after-role", "complete", "", true, true, false, 0},
        Expected{"error-later@after=5", "complete", "", true, true, false, 5},
        Expected{"error-named", "complete", "", false, true, false, 3},
        Expected{"malformed", "complete", "stop", true, false, true},
        Expected{"malformed-first", "complete", "stop", true, false, true},
        Expected{"not-an-object", "complete", "stop", true, false, true},
        Expected{"bad-utf8", "complete", "stop", true, false, true}, Expected{"cut-head", "cut", "", false, false, false, 0},
        Expected{"cut-early", "cut", "", false, false, false, 0}, Expected{"cut", "cut", "", false, false, false, 3},
        Expected{"cut-event", "cut", "", false, false, false, 3},
        Expected{"reset-stream", "cut", "", false, false, false, 3},
        Expected{"hang", "cut", "", false, false, false, 3}, Expected{"stuck", "cut", "", false, false, false, 0},
        Expected{"bad-chunk-size", "broken", "", false, false, false, 3},
        Expected{"huge-chunk-size", "broken", "", false, false, false, 3},
        Expected{"short-chunk", "cut", "", false, false, false, 3},
        Expected{"missing-chunk-end", "broken", "", false, false, false, 3},
        Expected{"stall", "complete", "stop", true}, Expected{"slow-head", "complete", "stop", true},
        Expected{"slow-first-chunk", "complete", "stop", true}, Expected{"slow-first-token", "complete", "stop", true},
        Expected{"drip", "complete", "stop", true}),
    [](const auto& test) {
      std::string out(test.param.script);
      for (char& c : out) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      return out;
    });

TEST(Scripts, HalfFinishedLeavesTheSecondChoiceOpen) {
  const auto bytes = bytes_of(reply_of("half-finished", true));
  EXPECT_NE(bytes.find(R"("index":1,"delta":{"content")"), std::string::npos);
  EXPECT_NE(bytes.find(R"("index":0,"delta":{},"finish_reason":"stop")"), std::string::npos);
  EXPECT_EQ(bytes.find(R"("index":1,"delta":{},"finish_reason":"stop")"), std::string::npos);
  EXPECT_EQ(see(bytes).framing, "complete");
}

TEST(Scripts, ToolCallFragmentsJoinToJson) {
  const Seen seen = see(bytes_of(reply_of("tool-calls", true)));
  std::string arguments;
  http::SseParser events;
  for (const auto& event : events.feed(seen.body)) {
    if (event.data == "[DONE]") continue;
    const auto value = json::parse(event.data);
    const auto& delta = value.at("choices").at(0).at("delta").as_object();
    if (!delta.contains("tool_calls")) continue;
    const auto& call = delta.at("tool_calls").at(0);
    if (call.at("index").as_int64() == 1) arguments += call.at("function").at("arguments").as_string();
  }
  EXPECT_EQ(json::parse(arguments).at("query").as_string(), "转速 \"412\"");
}

TEST(Scripts, StatusesAndRetryHints) {
  const auto status = [](std::string_view script) { return see(bytes_of(reply_of(script, true))).status; };
  EXPECT_EQ(status("error"), 500);
  EXPECT_EQ(status("error@status=418"), 418);
  EXPECT_EQ(status("unavailable"), 503);
  EXPECT_EQ(status("overloaded"), 529);
  EXPECT_EQ(status("bad-gateway"), 502);
  EXPECT_EQ(status("context-length"), 400);
  EXPECT_EQ(status("redirect"), 307);
  EXPECT_EQ(status("error-200"), 200);
  EXPECT_NE(bytes_of(reply_of("rate-limited@seconds=7", false)).find("Retry-After: 7\r\n"), std::string::npos);
  EXPECT_EQ(bytes_of(reply_of("rate-limited-bare", false)).find("Retry-After"), std::string::npos);
}

TEST(Scripts, BrokenFramingOfWholeAnswers) {
  const auto framing = [](std::string_view script) { return see(bytes_of(reply_of(script, false))).framing; };
  EXPECT_EQ(framing("length-too-long"), "cut");
  EXPECT_EQ(framing("two-lengths"), "broken");
  EXPECT_NE(framing("not-http"), "complete");
  EXPECT_EQ(framing("tls-garbage"), "cut");
  EXPECT_EQ(framing("old-http"), "broken");
  EXPECT_EQ(framing("bad-field"), "broken");
  EXPECT_EQ(framing("half-head"), "cut");
  EXPECT_EQ(framing("early-hints"), "complete");
}

TEST(Scripts, StepsTellHowAConnectionEnds) {
  const auto last = [](std::string_view script) { return reply_of(script, true).steps.back().kind; };
  EXPECT_EQ(last("reset"), Step::Kind::reset);
  EXPECT_EQ(last("reset-stream"), Step::Kind::reset);
  EXPECT_EQ(last("close"), Step::Kind::close);
  EXPECT_EQ(last("silent"), Step::Kind::hold);
  EXPECT_EQ(last("refuse"), Step::Kind::stop_listening);
  const Reply endless = reply_of("endless", true);
  EXPECT_LT(endless.repeat_from, endless.steps.size());
  EXPECT_EQ(reply_of("stall@ms=70", true).steps[4].wait, std::chrono::milliseconds(70));
}

}  // namespace
}  // namespace ragtime::load
