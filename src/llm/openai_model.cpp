#include "llm/openai_model.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "http/sse.h"
#include "llm/chat_stream.h"
#include "text/chunker.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

constexpr std::size_t kEventBytesMax = 4u << 20;
constexpr std::size_t kErrorBodyBytesMax = 64u << 10;
constexpr std::size_t kWholeBodyBytesMax = 16u << 20;

std::string request_body(const std::string& model, const ChatRequest& request) {
  json::object body;
  if (!request.extra_json.empty()) {
    boost::system::error_code failure;
    json::value extra = json::parse(request.extra_json, failure);
    if (!failure && extra.is_object()) body = std::move(extra.get_object());
  }
  json::array messages;
  for (const ChatMessage& message : request.messages) {
    messages.push_back(json::object{{"role", message.role}, {"content", message.content}});
  }
  body["model"] = model;
  body["messages"] = std::move(messages);
  body["stream"] = true;
  body["stream_options"] = json::object{{"include_usage", true}};
  if (request.temperature) body["temperature"] = *request.temperature;
  if (request.top_p) body["top_p"] = *request.top_p;
  if (request.tokens_max) body["max_tokens"] = *request.tokens_max;
  if (request.seed) body["seed"] = *request.seed;
  if (!request.stop.empty()) body["stop"] = json::value_from(request.stop);
  return json::serialize(body);
}

bool refuses_our_key(int status) {
  return status == 401 || status == 403;
}

bool is_json(const http::Headers& headers) {
  return headers.find("content-type").value_or("").starts_with("application/json");
}

ErrorCode code_of_status(int status) {
  if (status == 429) return ErrorCode::resource_exhausted;
  // Our key, address or model name is wrong, or it is too slow: nothing in the caller's request can mend that.
  if (refuses_our_key(status) || status == 404 || status == 405 || status == 408) return ErrorCode::unavailable;
  if (status >= 400 && status < 500) return ErrorCode::invalid_argument;
  return ErrorCode::unavailable;
}

class OpenAiModel final : public ChatModel {
 public:
  OpenAiModel(OpenAiModelConfig config, http::Client& client) : config_(std::move(config)), client_(client) {}

  const std::string& name() const override { return config_.name; }

  Task<Result<ChatOutcome>> answer(ChatRequest request, ChatSink sink, RequestContext& context) override {
    RequestContext total(context, Deadline::after(config_.total_timeout));
    const Deadline first_token = Deadline::after(config_.first_token_timeout);
    RequestContext opening(total, first_token);
    auto opened = co_await client_.open(http_request(request), opening);
    if (opened.has_error()) co_return upstream_error(opened.error(), context, "did not answer");
    http::ClientStream& reply = **opened;
    if (reply.status() != 200) co_return co_await refusal(reply, opening);
    std::string text;
    // A GCC 12 conditional expression must not hold co_await.
    Result<ChatOutcome> outcome = ChatOutcome{};
    if (is_json(reply.headers())) {
      outcome = co_await relay_whole(reply, sink, opening, text);
    } else {
      outcome = co_await relay(reply, sink, first_token, total, text);
    }
    if (outcome.has_error()) co_return upstream_error(outcome.error(), context, "stopped in the middle of its answer");
    if (outcome->usage.estimated) estimate_usage(request, text, outcome->usage);
    co_return outcome;
  }

 private:
  http::ClientRequest http_request(const ChatRequest& request) const {
    http::ClientRequest out;
    out.method = "POST";
    out.url = config_.url + (config_.url.ends_with('/') ? "" : "/") + "chat/completions";
    out.headers.set("Content-Type", "application/json");
    out.headers.set("Accept", "text/event-stream");
    if (!config_.api_key.empty()) out.headers.set("Authorization", "Bearer " + config_.api_key);
    out.body = request_body(config_.model, request);
    return out;
  }

  Task<Result<ChatOutcome>> relay(http::ClientStream& reply, const ChatSink& sink, Deadline first_token,
                                  RequestContext& total, std::string& text) const {
    http::SseParser parser;
    ChatStream stream;
    while (!stream.done()) {
      RequestContext wait(total, stream.producing() ? Deadline::after(config_.idle_timeout) : first_token);
      auto bytes = co_await reply.read_some(wait);
      if (bytes.has_error()) {
        // Some servers close without the last chunk, or wait with it; the finish_reason is what counts.
        if (stream.finish().has_value() && total.check().has_value()) break;
        co_return bytes.error();
      }
      if (bytes->empty()) break;
      for (const http::SseEvent& event : parser.feed(*bytes)) {
        RAGTIME_CO_TRY(const std::string delta, stream.take(event.data));
        if (delta.empty()) continue;
        text += delta;
        RAGTIME_CO_TRY_DONE(co_await sink(delta));
      }
      if (parser.pending_bytes() > kEventBytesMax) {
        co_return make_error(ErrorCode::unavailable, "the model server sent an event without end");
      }
    }
    co_return stream.finish();
  }

  // The answer of a server that does not stream.
  Task<Result<ChatOutcome>> relay_whole(http::ClientStream& reply, const ChatSink& sink, RequestContext& context,
                                        std::string& text) const {
    RAGTIME_CO_TRY(const std::string body, co_await read_body(reply, kWholeBodyBytesMax, context));
    ChatStream stream;
    RAGTIME_CO_TRY(text, stream.take_whole(body));
    RAGTIME_CO_TRY(const ChatOutcome outcome, stream.finish());
    if (!text.empty()) RAGTIME_CO_TRY_DONE(co_await sink(text));
    co_return outcome;
  }

  static Task<Result<std::string>> read_body(http::ClientStream& reply, std::size_t bytes_max,
                                             RequestContext& context) {
    std::string body;
    while (body.size() < bytes_max) {
      RAGTIME_CO_TRY(const std::string bytes, co_await reply.read_some(context));
      if (bytes.empty()) break;
      body += bytes;
    }
    co_return body;
  }

  Task<Result<ChatOutcome>> refusal(http::ClientStream& reply, RequestContext& context) const {
    const int status = reply.status();
    const auto body = co_await read_body(reply, kErrorBodyBytesMax, context);
    std::string message = "the model server of '" + config_.name + "' answered " + std::to_string(status) + ": ";
    // Its own words may repeat the key.
    message += refuses_our_key(status) ? "it refuses the configured key"
               : body.has_value()      ? upstream_message(*body)
                                       : body.error().message;
    co_return make_error(code_of_status(status), std::move(message));
  }

  // A timeout that is not the caller's own deadline is the upstream's fault.
  Error upstream_error(Error error, RequestContext& context, const char* what) const {
    if (error.code == ErrorCode::deadline_exceeded && context.check().has_value()) {
      return make_error(ErrorCode::unavailable,
                        "the model server of '" + config_.name + "' " + what + " within its time limit");
    }
    return error;
  }

  static void estimate_usage(const ChatRequest& request, const std::string& text, ChatUsage& usage) {
    for (const ChatMessage& message : request.messages) usage.prompt_tokens += text::count_tokens(message.content);
    usage.completion_tokens = text::count_tokens(text);
  }

  const OpenAiModelConfig config_;
  http::Client& client_;
};

}  // namespace

std::unique_ptr<ChatModel> make_openai_model(OpenAiModelConfig config, http::Client& client) {
  return std::make_unique<OpenAiModel>(std::move(config), client);
}

}  // namespace ragtime::llm
