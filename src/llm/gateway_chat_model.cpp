#include "llm/gateway_chat_model.h"

#include <utility>

#include <boost/json.hpp>

#include "http/sse.h"
#include "llm/chat_stream.h"
#include "text/chunker.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

std::string request_body(const ChatRequest& request) {
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
  body["model"] = "";
  body["messages"] = std::move(messages);
  body["stream"] = true;
  body["stream_options"] = json::object{{"include_usage", true}};
  body.erase("n");
  if (request.temperature) body["temperature"] = *request.temperature;
  if (request.top_p) body["top_p"] = *request.top_p;
  if (request.tokens_max) body["max_tokens"] = *request.tokens_max;
  if (request.seed) body["seed"] = *request.seed;
  if (!request.stop.empty()) body["stop"] = json::value_from(request.stop);
  return json::serialize(body);
}

void estimate_usage(const ChatRequest& request, const std::string& text, ChatUsage& usage) {
  for (const ChatMessage& message : request.messages) usage.prompt_tokens += text::count_tokens(message.content);
  usage.completion_tokens = text::count_tokens(text);
}

class GatewayChatModel final : public ChatModel {
 public:
  GatewayChatModel(std::string name, Gateway& gateway) : name_(std::move(name)), gateway_(gateway) {}

  const std::string& name() const override { return name_; }

  Task<Result<ChatOutcome>> answer(ChatRequest request, ChatSink sink, RequestContext& context) override {
    GatewayRequest asked;
    asked.model = name_;
    asked.body = request_body(request);
    asked.priority = request.priority;
    RAGTIME_CO_TRY(const auto stream, co_await gateway_.chat(std::move(asked), context));
    if (stream->status() != 200) co_return co_await refusal(*stream, context);
    std::string text;
    RAGTIME_CO_TRY(ChatOutcome outcome, co_await read(*stream, sink, context, text));
    if (outcome.usage.estimated) estimate_usage(request, text, outcome.usage);
    outcome.model = stream->report().model;
    outcome.degraded = stream->report().degraded;
    co_return outcome;
  }

 private:
  static Task<Result<ChatOutcome>> read(GatewayStream& stream, const ChatSink& sink, RequestContext& context,
                                        std::string& text) {
    http::SseParser parser;
    ChatStream chunks;
    while (true) {
      RAGTIME_CO_TRY(const std::string bytes, co_await stream.read_some(context));
      if (bytes.empty()) co_return chunks.finish();
      for (const http::SseEvent& event : parser.feed(bytes)) {
        RAGTIME_CO_TRY(const std::string delta, chunks.take(event.data));
        if (delta.empty()) continue;
        text += delta;
        RAGTIME_CO_TRY_DONE(co_await sink(delta));
      }
    }
  }

  Task<Result<ChatOutcome>> refusal(GatewayStream& stream, RequestContext& context) const {
    std::string body;
    while (true) {
      RAGTIME_CO_TRY(const std::string bytes, co_await stream.read_some(context));
      if (bytes.empty()) break;
      body += bytes;
    }
    co_return make_error(ErrorCode::invalid_argument, "the model server of '" + name_ + "' answered " +
                                                          std::to_string(stream.status()) + ": " +
                                                          upstream_message(body));
  }

  const std::string name_;
  Gateway& gateway_;
};

}  // namespace

std::unique_ptr<ChatModel> make_gateway_chat_model(std::string name, Gateway& gateway) {
  return std::make_unique<GatewayChatModel>(std::move(name), gateway);
}

}  // namespace ragtime::llm
