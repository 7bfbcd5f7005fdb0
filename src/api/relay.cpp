#include "api/relay.h"

#include <memory>
#include <utility>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "api/answering.h"
#include "api/endpoints.h"
#include "api/errors.h"
#include "api/json_text.h"
#include "api/reply.h"
#include "http/sse.h"
#include "llm/json_cursor.h"

namespace ragtime::api {
namespace {

bool is_file_search(llm::JsonCursor& tool) {
  if (!tool.enter_object()) {
    tool.skip_value();
    return false;
  }
  bool found = false;
  std::string_view key;
  while (tool.next_member(key)) {
    if (key == "type") {
      const auto type = tool.raw_string();
      found = type && llm::json_string_is(*type, "file_search");
    } else {
      tool.skip_value();
    }
  }
  return found;
}

bool searches_files(std::string_view tools) {
  llm::JsonCursor cursor(tools);
  bool found = false;
  if (!cursor.enter_array()) return found;
  while (cursor.next_element()) found = is_file_search(cursor) || found;
  return found;
}

bool asks_for(const http::Headers& headers, std::string_view name, std::string_view value) {
  return headers.find(name).value_or("") == value;
}

void add_text(const json::value& content, std::string& text) {
  if (content.is_string()) {
    text += std::string_view(content.get_string());
    return;
  }
  if (!content.is_array()) return;
  for (const json::value& part : content.get_array()) {
    const json::value* piece = part.is_object() ? part.get_object().if_contains("text") : nullptr;
    if (piece && piece->is_string()) text += std::string_view(piece->get_string());
  }
}

llm::ChatMessage message_for_routing(const json::value& item) {
  llm::ChatMessage message;
  if (!item.is_object()) return message;
  const json::value* role = item.get_object().if_contains("role");
  const json::value* content = item.get_object().if_contains("content");
  if (role && role->is_string()) message.role = role->get_string();
  if (content) add_text(*content, message.content);
  return message;
}

// The texts of a conversation; what is not text, or wrong, is the upstream's to judge.
std::vector<llm::ChatMessage> messages_for_routing(std::string_view body) {
  std::vector<llm::ChatMessage> messages;
  boost::system::error_code failure;
  const json::value parsed = json::parse(body, failure);
  const json::value* list = !failure && parsed.is_object() ? parsed.get_object().if_contains("messages") : nullptr;
  if (!list || !list->is_array()) return messages;
  for (const json::value& item : list->get_array()) messages.push_back(message_for_routing(item));
  return messages;
}

// Names of models may hold what a header must not.
std::string header_text(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    constexpr std::string_view kArrow = "→";
    if (text.substr(at).starts_with(kArrow)) {
      out += "->";
      at += kArrow.size();
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[at++]);
    if (byte > 0x20 && byte < 0x7F) {
      out += static_cast<char>(byte);
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

void set_report(http::Headers& headers, const llm::GatewayReport& report) {
  headers.add("x-ragtime-model", header_text(report.model));
  headers.add("x-ragtime-attempts", fmt::format("{}", report.attempts));
  for (const std::string& replaced : report.degraded) headers.add("x-ragtime-degraded", header_text(replaced));
}

std::string server_timing(const StageTimings& timings) {
  std::string out;
  for (const StageTimings::Stage& stage : timings.snapshot()) {
    out += fmt::format("{}{};dur={:.3f}", out.empty() ? "" : ", ", stage.name, stage.milliseconds);
  }
  return out;
}

using Admission = std::shared_ptr<Limiter::Admission>;

void settle(const Admission& admission, const llm::GatewayReport& report) {
  if (report.usage) settle_usage(admission, *report.usage);
}

struct Passage {
  std::shared_ptr<llm::GatewayStream> answer;
  Admission admission;
};

Task<> pass_on(Environment& env, Passage passage, RequestContext& context, http::StreamWriter& writer) {
  const auto& answer = passage.answer;
  while (true) {
    auto piece = co_await answer->read_some(context);
    if (piece.has_error()) {
      if (piece.error().code == ErrorCode::cancelled) break;
      log_stream_failure(env, context, piece.error());
      json::object object;
      object["error"] = error_object(piece.error());
      const std::string event = http::format_sse("", json_text(object));
      co_await writer.write(event);
      break;
    }
    if (piece->empty()) break;
    auto sent = co_await writer.write(*piece);
    if (sent.has_error()) break;
  }
  settle(passage.admission, answer->report());
  env.observe_stages(context);
}

Task<Result<std::string>> read_whole(llm::GatewayStream& answer, RequestContext& context) {
  std::string body;
  while (true) {
    RAGTIME_CO_TRY(std::string piece, co_await answer.read_some(context));
    if (piece.empty()) co_return body;
    if (body.empty()) {
      body = std::move(piece);
    } else {
      body += piece;
    }
  }
}

}  // namespace

std::optional<RelayedRequest> relayed_request(Environment& env, http::Request& request, llm::GatewayApi api) {
  if (env.gateway == nullptr) return std::nullopt;
  auto parsed = llm::read_chat_body(request.body);
  if (parsed.has_error()) return std::nullopt;
  RelayedRequest relayed;
  std::string name = parsed->model.empty() ? env.answerer.default_model() : parsed->model;
  if (searches_files(parsed->tools.of(request.body))) return std::nullopt;
  if (name == rag::kAutoModel && !env.gateway->has_model(name)) {
    relayed.route = env.answerer.route(messages_for_routing(request.body));
    name = relayed.route->model;
  }
  if (!env.gateway->has_model(name)) return std::nullopt;
  llm::GatewayRequest& asked = relayed.asked;
  asked.model = std::move(name);
  asked.body = std::move(request.body);
  asked.api = api;
  asked.priority = priority_of(request);
  asked.buffered = asks_for(request.headers, "x-ragtime-stream", "buffered") || !env.config.stream.enabled;
  asked.coalesce = asks_for(request.headers, "x-ragtime-coalesce", "true");
  asked.parsed = std::move(*parsed);
  return relayed;
}

Task<Result<http::Response>> relay(Environment& env, RelayedRequest relayed, const http::Request& request,
                                   RequestContext& context) {
  const bool streams = relayed.asked.parsed && relayed.asked.parsed->stream;
  const Admission admission = admission_of(request);
  RAGTIME_CO_TRY(auto answer, co_await env.gateway->chat(std::move(relayed.asked), context));
  http::Response response;
  response.status = answer->status();
  if (streams && response.status == 200) response = event_stream_reply();
  response.headers.set("content-type", answer->content_type());
  set_report(response.headers, answer->report());
  set_route_header(response, relayed.route);
  if (asks_for(request.headers, "x-ragtime-timings", "true")) {
    response.headers.set("server-timing", server_timing(context.timings()));
  }
  if (!streams || response.status != 200) {
    RAGTIME_CO_TRY(response.body, co_await read_whole(*answer, context));
    settle(admission, answer->report());
    co_return response;
  }
  const Passage passage{std::move(answer), admission};
  response.stream = [&env, &context, passage](http::StreamWriter& writer) {
    return pass_on(env, passage, context, writer);
  };
  co_return response;
}

Task<Result<http::Response>> create_completion(Environment& env, http::Request& request, RequestContext& context) {
  auto relayed = relayed_request(env, request, llm::GatewayApi::completions);
  if (relayed) co_return co_await relay(env, std::move(*relayed), request, context);
  RAGTIME_CO_TRY(const llm::ChatBody parsed, llm::read_chat_body(request.body));
  co_return make_error(
      ErrorCode::not_found,
      fmt::format("The model '{}' does not complete texts; models of the configuration do.", parsed.model), "model");
}

}  // namespace ragtime::api
