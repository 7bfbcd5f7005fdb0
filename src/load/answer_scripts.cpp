#include <algorithm>
#include <string>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <zlib.h>

#include "base/check.h"
#include "load/script_table.h"

namespace ragtime::load {
namespace {

std::string good_stream_body(const ReplyBuilder& b, std::string_view line_end = "\n") {
  ReplyBuilder good(b.spec, b.request);
  good.set_framing(false);
  good.set_line_end(line_end);
  good.open_stream(b.request.tokens);
  good.close_stream();
  std::string bytes;
  for (const auto& step : good.take().steps) bytes += step.bytes;
  return bytes.substr(bytes.find("\r\n\r\n") + 4);
}

// The body in pieces of `size` bytes, wherever that splits it.
void send_in_pieces(ReplyBuilder& b, std::string_view body, std::size_t size) {
  b.next_write(Step::Pace::first_token);
  b.stream_head();
  while (!body.empty()) {
    b.text(body.substr(0, size));
    body.remove_prefix(std::min(size, body.size()));
    b.apart();
  }
  b.end();
  b.reply().tokens = b.request.tokens;
}

void split(ReplyBuilder& b) {
  send_in_pieces(b, good_stream_body(b), std::max<std::size_t>(1, b.spec.number("bytes", 7)));
}

void crlf(ReplyBuilder& b) {
  send_in_pieces(b, "\xEF\xBB\xBF: keep-alive\r\n\r\n" + good_stream_body(b, "\r\n"), b.spec.number("bytes", 7));
}

void coalesced(ReplyBuilder& b) {
  const std::string body = good_stream_body(b);
  send_in_pieces(b, body, body.size());
}

void pings(ReplyBuilder& b) {
  b.open_stream(0);
  for (std::size_t i = 0; i < b.request.tokens; ++i) {
    b.text(": ping\n\n");
    b.token(i);
  }
  b.close_stream();
}

void no_space(ReplyBuilder& b) {
  std::string body = good_stream_body(b);
  for (auto at = body.find("data: "); at != std::string::npos; at = body.find("data: ", at + 5)) body.erase(at + 5, 1);
  send_in_pieces(b, body, body.size());
}

void ids_and_events(ReplyBuilder& b) {
  b.open_stream(0);
  for (std::size_t i = 0; i < b.request.tokens; ++i) {
    b.text(fmt::format("id: {}\nretry: 100\n", i));
    b.token(i);
  }
  b.close_stream();
}

void finish_as(ReplyBuilder& b, std::string_view reason) {
  b.open_stream(b.request.tokens);
  b.finish(reason);
  b.usage();
  b.done();
  b.end();
}

void whole_finish_as(ReplyBuilder& b, std::string_view reason) {
  b.whole(200, "application/json", b.answer_body(reason, answer_text(b.request.tokens)));
}

void finish_reason(ReplyBuilder& b) {
  finish_as(b, b.spec.text("reason", "length"));
}

void whole_finish_reason(ReplyBuilder& b) {
  whole_finish_as(b, b.spec.text("reason", "length"));
}

void finish_abort(ReplyBuilder& b) {
  finish_as(b, "abort");
}

void whole_finish_abort(ReplyBuilder& b) {
  whole_finish_as(b, "abort");
}

void finish_error(ReplyBuilder& b) {
  finish_as(b, "error");
}

void whole_finish_error(ReplyBuilder& b) {
  whole_finish_as(b, "error");
}

void finish_filtered(ReplyBuilder& b) {
  finish_as(b, "content_filter");
}

void whole_finish_filtered(ReplyBuilder& b) {
  whole_finish_as(b, "content_filter");
}

void empty_choices(ReplyBuilder& b) {
  b.next_write(Step::Pace::first_token);
  b.stream_head();
  b.event(b.chunk_json("", R"(,"prompt_filter_results":[])"));
  b.next_write();
  b.role();
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void null_fields(ReplyBuilder& b) {
  b.open_stream(0);
  for (std::size_t i = 0; i < b.request.tokens; ++i) {
    b.next_write();
    b.delta(R"({"role":null,"content":null,"reasoning_content":null,"tool_calls":null})");
    b.token(i);
  }
  b.close_stream();
}

void late_usage(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.finish();
  b.usage_chunk();
  b.done();
  b.end();
}

void usage_everywhere(ReplyBuilder& b) {
  b.open_stream(0);
  for (std::size_t i = 0; i < b.request.tokens; ++i) {
    b.next_write(Step::Pace::next_token);
    b.event(b.chunk_json(
        fmt::format(R"({{"index":0,"delta":{{"content":{}}},"finish_reason":null}})",
                    boost::json::serialize(boost::json::value(answer_token(i)))),
        R"(,"usage":)" + b.usage_json()));
  }
  b.reply().tokens = b.request.tokens;
  b.close_stream();
}

void send_reasoning(ReplyBuilder& b, std::string_view field) {
  b.open_stream(0);
  for (const auto* word : {"Let", " me", " think", "，想一想", "."}) {
    b.next_write(Step::Pace::next_token);
    b.delta(fmt::format(R"({{"{}":"{}"}})", field, word));
  }
  b.set_phase(Phase::streaming);
}

void reasoning(ReplyBuilder& b) {
  send_reasoning(b, b.spec.text("field", "reasoning_content"));
  b.tokens(0, b.request.tokens);
  b.close_stream();
}

void reasoning_only(ReplyBuilder& b) {
  send_reasoning(b, b.spec.text("field", "reasoning_content"));
  b.close_stream();
}

// Arguments come in fragments that split the JSON anywhere.
void tool_calls(ReplyBuilder& b) {
  b.open_stream(0);
  for (int call = 0; call < 2; ++call) {
    b.next_write();
    b.delta(fmt::format(
        R"({{"tool_calls":[{{"index":{0},"id":"call_{0}","type":"function","function":{{"name":"search","arguments":""}}}}]}})",
        call));
    for (const auto* piece : {R"({\"que)", R"(ry\": \")", "转速 ", R"(\\\"412\\\")", R"(\"})"}) {
      b.next_write(Step::Pace::next_token);
      b.delta(fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":"{}"}}}}]}})", call, piece));
    }
  }
  b.set_phase(Phase::streaming);
  b.finish("tool_calls");
  b.usage();
  b.done();
  b.end();
}

void whole_tool_calls(ReplyBuilder& b) {
  b.whole(200, "application/json",
          R"({"id":"chatcmpl-scripted","object":"chat.completion","created":1700000000,"model":"scripted",)"
          R"("choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_0",)"
          R"("type":"function","function":{"name":"search","arguments":"{\"query\": \"转速\"}"}}]},)"
          R"("finish_reason":"tool_calls"}],"usage":)" +
              b.usage_json() + "}");
}

void refusal(ReplyBuilder& b) {
  b.open_stream(0);
  for (const auto* word : {"I", " cannot", " help", "."}) {
    b.next_write();
    b.delta(fmt::format(R"({{"refusal":"{}"}})", word));
  }
  b.close_stream();
}

void extra_fields(ReplyBuilder& b) {
  b.open_stream(0);
  b.next_write();
  b.event(b.chunk_json(
      R"({"index":0,"delta":{"content":"The","x_new":{"a":[1.50,1e3]}},"logprobs":null,"finish_reason":null,"token_ids":[7]})",
      R"(,"system_fingerprint":"fp","x_vendor":{"n":1.0}, "spaced" : true)"));
  b.tokens(1, b.request.tokens);
  b.close_stream();
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  RAGTIME_CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  RAGTIME_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void gzipped(ReplyBuilder& b) {
  b.stream_head("text/event-stream", "Content-Encoding: gzip\r\n");
  b.text(gzip(good_stream_body(b)));
  b.end();
}

void whole_gzipped(ReplyBuilder& b) {
  b.whole(200, "application/json", gzip(b.answer_body("stop", answer_text(b.request.tokens))),
          "Content-Encoding: gzip\r\n");
}

void echo(ReplyBuilder& b) {
  b.open_stream(0);
  b.next_write();
  b.delta(fmt::format(R"({{"content":{}}})", boost::json::serialize(boost::json::value(b.request.echo))));
  b.close_stream();
}

void whole_echo(ReplyBuilder& b) {
  b.whole(200, "application/json", b.answer_body("stop", b.request.echo));
}

void text(ReplyBuilder& b) {
  b.open_stream(0);
  b.next_write();
  b.delta(fmt::format(R"({{"content":{}}})", boost::json::serialize(boost::json::value(b.spec.text("text", "yes")))));
  b.close_stream();
}

void whole_text(ReplyBuilder& b) {
  b.whole(200, "application/json", b.answer_body("stop", b.spec.text("text", "yes")));
}

constexpr ScriptEntry kEntries[] = {
    {{"plain", "a good answer", "tokens=16"}, plain_stream, plain_whole},
    {{"echo", "repeats the last message", ""}, echo, whole_echo},
    {{"text", "says a given word", "text=yes"}, text, whole_text},
    {{"split", "bytes split anywhere, inside UTF-8 sequences and lines", "bytes=7"}, split, plain_whole},
    {{"crlf", "a byte order mark, comments and CRLF line ends, split", "bytes=7"}, crlf, plain_whole},
    {{"coalesced", "the whole stream in one chunk", ""}, coalesced, plain_whole},
    {{"no-space", "data: without its space", ""}, no_space, plain_whole},
    {{"pings", "a comment before every token", ""}, pings, plain_whole},
    {{"ids", "id: and retry: lines", ""}, ids_and_events, plain_whole},
    {{"finish", "ends with any finish_reason", "reason=length"}, finish_reason, whole_finish_reason},
    {{"finish-filtered", "ends with finish_reason content_filter", ""}, finish_filtered, whole_finish_filtered},
    {{"finish-abort", "ends with finish_reason abort", ""}, finish_abort, whole_finish_abort},
    {{"finish-error", "ends with finish_reason error", ""}, finish_error, whole_finish_error},
    {{"empty-choices", "a first event with empty choices", ""}, empty_choices, plain_whole},
    {{"null-fields", "deltas of nulls between the tokens", ""}, null_fields, plain_whole},
    {{"late-usage", "usage in a last chunk that was not asked for", ""}, late_usage, plain_whole},
    {{"usage-everywhere", "usage in every chunk", ""}, usage_everywhere, plain_whole},
    {{"reasoning", "reasoning before the text", "field=reasoning_content"}, reasoning, plain_whole},
    {{"reasoning-only", "reasoning and no text", "field=reasoning_content"}, reasoning_only, plain_whole},
    {{"tool-calls", "two tool calls, arguments in fragments", ""}, tool_calls, whole_tool_calls},
    {{"refusal", "delta.refusal in place of content", ""}, refusal, plain_whole},
    {{"extra-fields", "fields that no client knows, and unusual spacing", ""}, extra_fields, plain_whole},
    {{"gzip", "a body in gzip that nobody asked for", ""}, gzipped, whole_gzipped},
};

}  // namespace

std::span<const ScriptEntry> answer_scripts() {
  return kEntries;
}

}  // namespace ragtime::load
