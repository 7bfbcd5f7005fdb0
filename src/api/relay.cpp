#include "api/relay.h"

#include <memory>
#include <utility>

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
    if (llm::json_string_is(key, "type")) {
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

Task<> pass_on(Environment& env, std::shared_ptr<llm::GatewayStream> answer, RequestContext& context,
               http::StreamWriter& writer) {
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

std::optional<llm::GatewayRequest> relayed_request(Environment& env, http::Request& request, llm::GatewayApi api) {
  if (env.gateway == nullptr) return std::nullopt;
  auto parsed = llm::read_chat_body(request.body);
  if (parsed.has_error()) return std::nullopt;
  const std::string& name = parsed->model.empty() ? env.answerer.default_model() : parsed->model;
  if (!env.gateway->has_model(name)) return std::nullopt;
  if (searches_files(parsed->tools.of(request.body))) return std::nullopt;
  llm::GatewayRequest asked;
  asked.model = name;
  asked.body = std::move(request.body);
  asked.api = api;
  asked.buffered = asks_for(request.headers, "x-ragtime-stream", "buffered");
  asked.coalesce = asks_for(request.headers, "x-ragtime-coalesce", "true");
  asked.parsed = std::move(*parsed);
  return asked;
}

Task<Result<http::Response>> relay(Environment& env, llm::GatewayRequest asked, const http::Headers& headers,
                                   RequestContext& context) {
  const bool streams = asked.parsed && asked.parsed->stream;
  RAGTIME_CO_TRY(auto answer, co_await env.gateway->chat(std::move(asked), context));
  http::Response response;
  response.status = answer->status();
  if (streams && response.status == 200) response = event_stream_reply();
  response.headers.set("content-type", answer->content_type());
  set_report(response.headers, answer->report());
  if (asks_for(headers, "x-ragtime-timings", "true")) {
    response.headers.set("server-timing", server_timing(context.timings()));
  }
  if (!streams || response.status != 200) {
    RAGTIME_CO_TRY(response.body, co_await read_whole(*answer, context));
    co_return response;
  }
  const std::shared_ptr<llm::GatewayStream> shared = std::move(answer);
  response.stream = [&env, &context, shared](http::StreamWriter& writer) {
    return pass_on(env, shared, context, writer);
  };
  co_return response;
}

Task<Result<http::Response>> create_completion(Environment& env, http::Request& request, RequestContext& context) {
  auto asked = relayed_request(env, request, llm::GatewayApi::completions);
  if (asked) co_return co_await relay(env, std::move(*asked), request.headers, context);
  RAGTIME_CO_TRY(const llm::ChatBody parsed, llm::read_chat_body(request.body));
  co_return make_error(
      ErrorCode::not_found,
      fmt::format("The model '{}' does not complete texts; models of the configuration do.", parsed.model), "model");
}

}  // namespace ragtime::api
