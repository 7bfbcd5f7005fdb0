#include "load/reply_builder.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace ragtime::load {
namespace {

constexpr std::array<std::string_view, 24> kTokens = {
    "The",  " idle", " speed", " is",   " 412", " revolutions", " per", " minute", ". ",   "怠速", "转速", "为",
    "每分", "钟",    "412",    "转。",  " See", " page",        " 7",   " ☕",     " and", " 🚀",  " the", " manual.\n"};
constexpr long kCreated = 1'700'000'000;

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::value(text));
}

}  // namespace

std::string_view answer_token(std::size_t i) {
  return kTokens[i % kTokens.size()];
}

std::string answer_text(std::size_t tokens) {
  std::string out;
  for (std::size_t i = 0; i < tokens; ++i) out += answer_token(i);
  return out;
}

std::string error_json(std::string_view message, std::string_view type, std::string_view code) {
  return fmt::format(R"({{"error":{{"message":{},"type":{},"param":null,"code":{}}}}})", quoted(message), quoted(type),
                     quoted(code));
}

std::string reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

std::string whole_http(int status, std::string_view content_type, std::string_view body,
                       std::string_view extra_fields) {
  return fmt::format("HTTP/1.1 {} {}\r\nServer: scripted\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status,
                     reason_phrase(status), content_type, body.size(), extra_fields, body);
}

std::string as_chunk(std::string_view bytes) {
  return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

ReplyBuilder::ReplyBuilder(const ScriptSpec& spec_value, const ScriptRequest& request_value)
    : spec(spec_value), request(request_value) {
  reply_.repeat_from = std::size_t(-1);
}

void ReplyBuilder::raw(std::string_view bytes) {
  if (std::exchange(fresh_, false)) {
    next_.phase = phase_;
    reply_.steps.push_back(std::exchange(next_, Step()));
  }
  reply_.steps.back().bytes += bytes;
}

void ReplyBuilder::next_write(Step::Pace pace, std::chrono::microseconds wait) {
  fresh_ = true;
  next_.pace = pace;
  next_.wait += wait;
}

void ReplyBuilder::apart(std::chrono::microseconds wait) {
  next_write(Step::Pace::none, wait);
  next_.apart = true;
}

void ReplyBuilder::last_step(Step::Kind kind, std::chrono::microseconds wait) {
  next_.kind = kind;
  next_.phase = phase_;
  next_.wait += wait;
  reply_.steps.push_back(std::exchange(next_, Step()));
  reply_.keep_alive = false;
  fresh_ = true;
}

void ReplyBuilder::repeat_from_here() {
  reply_.repeat_from = reply_.steps.size();
  reply_.keep_alive = false;
}

void ReplyBuilder::whole(int status, std::string_view content_type, std::string_view body,
                         std::string_view extra_fields) {
  reply_.status = status;
  raw(whole_http(status, content_type, body, extra_fields));
}

void ReplyBuilder::error(int status, std::string_view message, std::string_view type, std::string_view extra_fields) {
  whole(status, "application/json", error_json(message, type, std::to_string(status)), extra_fields);
}

std::string ReplyBuilder::usage_json() const {
  const std::size_t answer = request.tokens * request.choices;
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", request.prompt_tokens,
                     answer, request.prompt_tokens + answer);
}

std::string ReplyBuilder::answer_body(std::string_view finish_reason, std::string_view content) const {
  std::string choices;
  for (std::size_t i = 0; i < request.choices; ++i) {
    if (i > 0) choices += ',';
    choices += request.operation == Operation::chat
                   ? fmt::format(R"({{"index":{},"message":{{"role":"assistant","content":{}}},"finish_reason":{}}})",
                                 i, quoted(content), quoted(finish_reason))
                   : fmt::format(R"({{"index":{},"text":{},"finish_reason":{}}})", i, quoted(content),
                                 quoted(finish_reason));
  }
  return fmt::format(R"({{"id":"chatcmpl-scripted","object":"{}","created":{},"model":{},"choices":[{}],"usage":{}}})",
                     request.operation == Operation::chat ? "chat.completion" : "text_completion", kCreated,
                     quoted(request.model), choices, usage_json());
}

void ReplyBuilder::whole_answer() {
  next_write(Step::Pace::first_token);
  reply_.tokens = request.tokens;
  whole(200, "application/json",
        answer_body(request.length_limited ? "length" : "stop", answer_text(request.tokens)));
}

void ReplyBuilder::stream_head(std::string_view content_type, std::string_view extra_fields) {
  reply_.status = 200;
  raw("HTTP/1.1 200 OK\r\nServer: scripted\r\n");
  if (!content_type.empty()) raw(fmt::format("Content-Type: {}\r\n", content_type));
  raw("Cache-Control: no-cache\r\n");
  if (chunked_) raw("Transfer-Encoding: chunked\r\n");
  raw(extra_fields);
  raw("\r\n");
  phase_ = Phase::first_token;
}

void ReplyBuilder::text(std::string_view bytes) {
  raw(chunked_ ? as_chunk(bytes) : std::string(bytes));
}

void ReplyBuilder::event(std::string_view json) {
  text(fmt::format("data: {}{}{}", json, line_end_, line_end_));
}

std::string ReplyBuilder::chunk_json(std::string_view choices_json, std::string_view extra) const {
  return fmt::format(R"({{"id":"chatcmpl-scripted","object":"{}","created":{},"model":{},"choices":[{}]{}}})",
                     request.operation == Operation::chat ? "chat.completion.chunk" : "text_completion", kCreated,
                     quoted(request.model), choices_json, extra);
}

void ReplyBuilder::delta(std::string_view delta_json, std::size_t choice) {
  event(chunk_json(fmt::format(R"({{"index":{},"delta":{},"finish_reason":null}})", choice, delta_json),
                   request.include_usage ? R"(,"usage":null)" : ""));
}

void ReplyBuilder::role() {
  if (request.operation != Operation::chat) return;
  for (std::size_t i = 0; i < request.choices; ++i) delta(R"({"role":"assistant","content":""})", i);
}

void ReplyBuilder::token(std::size_t i) {
  for (std::size_t choice = 0; choice < request.choices; ++choice) {
    next_write(reply_.tokens == 0 ? Step::Pace::none : Step::Pace::next_token);
    if (request.operation == Operation::chat) {
      delta(fmt::format(R"({{"content":{}}})", quoted(answer_token(i))), choice);
    } else {
      event(chunk_json(
          fmt::format(R"({{"index":{},"text":{},"finish_reason":null}})", choice, quoted(answer_token(i)))));
    }
    ++reply_.tokens;
    phase_ = Phase::streaming;
  }
}

void ReplyBuilder::tokens(std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) token(i);
}

void ReplyBuilder::finish(std::string_view reason) {
  for (std::size_t choice = 0; choice < request.choices; ++choice) {
    next_write();
    const std::string_view payload = request.operation == Operation::chat ? R"("delta":{})" : R"("text":"")";
    event(chunk_json(fmt::format(R"({{"index":{},{},"finish_reason":{}}})", choice, payload, quoted(reason)),
                     request.include_usage ? R"(,"usage":null)" : ""));
  }
}

void ReplyBuilder::usage() {
  if (request.include_usage) usage_chunk();
}

void ReplyBuilder::usage_chunk() {
  next_write();
  event(chunk_json("", R"(,"usage":)" + usage_json()));
}

void ReplyBuilder::done() {
  next_write();
  event("[DONE]");
}

void ReplyBuilder::end() {
  if (chunked_) raw("0\r\n\r\n");
}

void ReplyBuilder::close_stream() {
  finish();
  usage();
  done();
  end();
}

void ReplyBuilder::open_stream(std::size_t count) {
  next_write(Step::Pace::first_token);
  stream_head();
  role();
  tokens(0, count);
}

std::size_t ReplyBuilder::after(std::size_t fallback) const {
  return std::min(spec.number("after", fallback), request.tokens);
}

Reply ReplyBuilder::take() {
  reply_.repeat_from = std::min(reply_.repeat_from, reply_.steps.size());
  return std::move(reply_);
}

}  // namespace ragtime::load
