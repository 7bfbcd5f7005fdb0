#include <string>

#include <fmt/format.h>

#include "load/script_table.h"

namespace ragtime::load {
namespace {

constexpr std::string_view kEngineError =
    R"({"error":{"message":"the engine died","type":"server_error","param":null,"code":500}})";

void silent(ReplyBuilder& b) {
  b.hold();
}

void silent_head(ReplyBuilder& b) {
  b.stream_head();
  b.hold();
}

void silent_head_whole(ReplyBuilder& b) {
  b.mark_status(200);
  b.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
  b.hold();
}

void stuck(ReplyBuilder& b) {
  b.open_stream(0);
  b.hold();
}

void slow_head(ReplyBuilder& b) {
  b.next_write(Step::Pace::none, b.spec.ms(1000));
  plain_stream(b);
}

void slow_head_whole(ReplyBuilder& b) {
  b.next_write(Step::Pace::none, b.spec.ms(1000));
  plain_whole(b);
}

// The head alone, then nothing for long.
void slow_first_chunk(ReplyBuilder& b) {
  b.stream_head();
  b.apart(b.spec.ms(1000));
  b.role();
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void slow_first_token(ReplyBuilder& b) {
  b.open_stream(0);
  b.apart(b.spec.ms(1000));
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void stall(ReplyBuilder& b) {
  const std::size_t after = b.after(3);
  b.open_stream(after);
  b.apart(b.spec.ms(1000));
  b.tokens(after, b.request.tokens);
  b.close_stream();
}

void hang(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.hold();
}

void drip(ReplyBuilder& b) {
  ReplyBuilder good(b.spec, b.request);
  plain_stream(good);
  std::string bytes;
  for (const auto& step : good.take().steps) bytes += step.bytes;
  b.mark_status(200);
  for (const char byte : bytes) {
    b.raw(std::string_view(&byte, 1));
    b.apart(b.spec.ms(1));
  }
  b.reply().steps.pop_back();
  b.raw(bytes.substr(bytes.size() - 1));
}

void cut_head(ReplyBuilder& b) {
  b.stream_head();
  b.cut();
}

void cut_early(ReplyBuilder& b) {
  b.open_stream(0);
  b.cut();
}

void cut(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.cut();
}

void cut_event(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.text(R"(data: {"id":"chatcmpl-scripted","choices":[{"index":0,"del)");
  b.cut();
}

// The framing ends properly, the answer does not.
void truncated(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.end();
}

void truncated_first(ReplyBuilder& b) {
  b.open_stream(0);
  b.next_write();
  b.end();
}

void no_finish(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.usage();
  b.done();
  b.end();
}

void half_finished(ReplyBuilder& b) {
  ScriptRequest two = b.request;
  two.choices = std::max<std::size_t>(2, two.choices);
  ReplyBuilder both(b.spec, two);
  both.open_stream(two.tokens);
  for (const auto& step : both.take().steps) {
    b.next_write(step.pace);
    b.raw(step.bytes);
  }
  b.mark_status(200);
  b.set_phase(Phase::streaming);
  b.finish();
  b.done();
  b.end();
}

void no_done(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.finish();
  b.usage();
  b.end();
}

// After the finish_reason nothing is lost.
void cut_after_finish(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.finish();
  b.cut();
}

void done_only(ReplyBuilder& b) {
  b.stream_head();
  b.done();
  b.end();
}

void empty_stream(ReplyBuilder& b) {
  b.stream_head();
  b.end();
}

void role_only(ReplyBuilder& b) {
  b.open_stream(0);
  b.done();
  b.end();
}

void usage_only(ReplyBuilder& b) {
  b.stream_head();
  b.usage_chunk();
  b.done();
  b.end();
}

void error_first(ReplyBuilder& b) {
  b.stream_head();
  b.event(kEngineError);
  b.done();
  b.end();
}

void error_after_role(ReplyBuilder& b) {
  b.open_stream(0);
  b.next_write();
  b.event(kEngineError);
  b.done();
  b.end();
}

void error_later(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.event(kEngineError);
  b.done();
  b.end();
}

void error_named(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.text(fmt::format("event: error\ndata: {}\n\n", kEngineError));
  b.end();
}

void error_line(ReplyBuilder& b) {
  b.open_stream(b.after(3));
  b.next_write();
  b.text("Internal Server Error\n");
  b.cut();
}

void error_rate(ReplyBuilder& b) {
  b.stream_head();
  b.event(R"({"error":{"message":"too many requests","type":"rate_limit_error","param":null,"code":429}})");
  b.done();
  b.end();
}

void malformed(ReplyBuilder& b) {
  const std::size_t after = b.after(3);
  b.open_stream(after);
  b.next_write();
  b.event(R"({"id":"chatcmpl-scripted","choices":[{"index":0,"delta":{"content":"lost)");
  b.tokens(after, b.request.tokens);
  b.close_stream();
}

void malformed_first(ReplyBuilder& b) {
  b.stream_head();
  b.event("{this is not json");
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void not_an_object(ReplyBuilder& b) {
  const std::size_t after = b.after(3);
  b.open_stream(after);
  for (const auto* json : {"42", "null", "[]", "\"text\"", R"({"choices":7})", R"({"choices":[7]})"}) {
    b.next_write();
    b.event(json);
  }
  b.tokens(after, b.request.tokens);
  b.close_stream();
}

void bad_utf8(ReplyBuilder& b) {
  const std::size_t after = b.after(3);
  b.open_stream(after);
  b.next_write();
  b.delta("{\"content\":\"\xff\xfe\"}");
  b.tokens(after, b.request.tokens);
  b.close_stream();
}

void huge_event(ReplyBuilder& b) {
  const std::size_t after = b.after(3);
  b.open_stream(after);
  b.next_write();
  b.delta(fmt::format(R"({{"content":"{}"}})", std::string(b.spec.number("bytes", 1u << 20), 'x')));
  b.tokens(after, b.request.tokens);
  b.close_stream();
}

void endless(ReplyBuilder& b) {
  b.open_stream(1);
  b.next_write(Step::Pace::next_token, b.spec.ms(1));
  b.repeat_from_here();
  b.delta(R"({"content":"word "})");
}

void endless_line(ReplyBuilder& b) {
  b.stream_head();
  b.text("data: ");
  b.next_write();
  b.repeat_from_here();
  b.text(std::string(16u << 10, 'x'));
}

void endless_pings(ReplyBuilder& b) {
  b.stream_head();
  b.next_write(Step::Pace::none, b.spec.ms(5));
  b.repeat_from_here();
  b.text(": ping\n\n");
}

void endless_roles(ReplyBuilder& b) {
  b.stream_head();
  b.next_write(Step::Pace::none, b.spec.ms(1));
  b.repeat_from_here();
  b.delta(R"({"role":"assistant","content":""})");
}

void wrong_type(ReplyBuilder& b) {
  b.next_write(Step::Pace::first_token);
  b.stream_head(b.spec.text("type", "application/json"));
  b.role();
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void no_type(ReplyBuilder& b) {
  b.next_write(Step::Pace::first_token);
  b.stream_head("");
  b.role();
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void whole_for_stream(ReplyBuilder& b) {
  plain_whole(b);
}

constexpr ScriptEntry kEntries[] = {
    {{"silent", "takes the request and never says a byte", ""}, silent, silent},
    {{"silent-head", "sends a head, then nothing", ""}, silent_head, silent_head_whole},
    {{"stuck", "sends the role chunk, then nothing", ""}, stuck, silent_head_whole},
    {{"hang", "sends some tokens, then nothing", "after=3"}, hang, silent_head_whole},
    {{"slow-head", "waits before the head", "ms=1000"}, slow_head, slow_head_whole},
    {{"slow-first-chunk", "waits between the head and the role chunk", "ms=1000"}, slow_first_chunk, slow_head_whole},
    {{"slow-first-token", "waits between the role chunk and the first token", "ms=1000"},
     slow_first_token,
     slow_head_whole},
    {{"stall", "pauses in the middle, then goes on", "after=3 ms=1000"}, stall, slow_head_whole},
    {{"drip", "one byte at a time", "ms=1"}, drip, slow_head_whole},
    {{"cut-head", "closes the connection after the head", ""}, cut_head, cut_head},
    {{"cut-early", "closes the connection after the role chunk", ""}, cut_early, cut_head},
    {{"cut", "closes the connection after some tokens", "after=3"}, cut, cut_head},
    {{"cut-event", "closes the connection inside an event", "after=3"}, cut_event, cut_head},
    {{"truncated", "ends properly after some tokens, without finish_reason and [DONE]", "after=3"},
     truncated,
     plain_whole},
    {{"truncated-first", "ends properly after the role chunk", ""}, truncated_first, plain_whole},
    {{"no-finish", "whole text and [DONE], but no finish_reason", ""}, no_finish, plain_whole},
    {{"half-finished", "two choices, of which one never finishes", ""}, half_finished, plain_whole},
    {{"no-done", "ends after finish_reason without [DONE]; complete", ""}, no_done, plain_whole},
    {{"cut-after-finish", "closes the connection after finish_reason; nothing is lost", ""},
     cut_after_finish,
     plain_whole},
    {{"done-only", "[DONE] and nothing else", ""}, done_only, plain_whole},
    {{"empty-stream", "a stream without any event", ""}, empty_stream, plain_whole},
    {{"role-only", "the role chunk and [DONE]", ""}, role_only, plain_whole},
    {{"usage-only", "the usage chunk and [DONE]", ""}, usage_only, plain_whole},
    {{"error-first", "200, an error event as the first event, [DONE]", ""}, error_first, plain_whole},
    {{"error-after-role", "the role chunk, an error event, [DONE]", ""}, error_after_role, plain_whole},
    {{"error-later", "an error event after some tokens, then [DONE]", "after=3"}, error_later, plain_whole},
    {{"error-named", "the same as `event: error`, without [DONE]", "after=3"}, error_named, plain_whole},
    {{"error-line", "a line of plain text after some tokens, then the end", "after=3"}, error_line, plain_whole},
    {{"error-rate", "200, a 429 as the first event, [DONE]", ""}, error_rate, plain_whole},
    {{"malformed", "an event of broken JSON after some tokens, then goes on", "after=3"}, malformed, plain_whole},
    {{"malformed-first", "broken JSON as the first event", ""}, malformed_first, plain_whole},
    {{"not-an-object", "events of JSON of the wrong shape, then goes on", "after=3"}, not_an_object, plain_whole},
    {{"bad-utf8", "text that is not UTF-8", "after=3"}, bad_utf8, plain_whole},
    {{"huge-event", "one very large event", "after=3 bytes=1048576"}, huge_event, plain_whole},
    {{"endless", "words until the client leaves", "ms=1"}, endless, plain_whole},
    {{"endless-line", "an event that never ends, until the client leaves", ""}, endless_line, plain_whole},
    {{"endless-pings", "comments until the client leaves", "ms=5"}, endless_pings, plain_whole},
    {{"endless-roles", "role chunks until the client leaves", "ms=1"}, endless_roles, plain_whole},
    {{"wrong-type", "a proper stream under another Content-Type", "type=application/json"}, wrong_type, plain_whole},
    {{"no-type", "a proper stream without Content-Type", ""}, no_type, plain_whole},
    {{"whole-for-stream", "a whole JSON answer although a stream was asked for", ""}, whole_for_stream, plain_whole},
};

}  // namespace

std::span<const ScriptEntry> stream_scripts() {
  return kEntries;
}

}  // namespace ragtime::load
