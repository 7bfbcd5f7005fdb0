#include "api/answering.h"

#include <algorithm>

#include "api/json_text.h"
#include "api/stream_buffer.h"
#include "api/wire.h"

namespace ragtime::api {

std::string_view finish_reason_name(llm::FinishReason reason) {
  switch (reason) {
    case llm::FinishReason::stop:
      return "stop";
    case llm::FinishReason::length:
      return "length";
    case llm::FinishReason::content_filter:
      return "content_filter";
    case llm::FinishReason::tool_calls:
      return "tool_calls";
  }
  return "stop";
}

void read_sampling(const JsonNode& root, llm::ChatRequest& sampling) {
  sampling.temperature = root["temperature"].optional_number(0, 2);
  sampling.top_p = root["top_p"].optional_number(0, 1);
}

json::object pass_through(const JsonNode& root, std::initializer_list<std::string_view> names) {
  json::object out;
  for (const std::string_view name : names) {
    const JsonNode node = root[name];
    if (node.present()) out[name] = node.value();
  }
  return out;
}

std::string extra_json_text(const json::object& extra) {
  return extra.empty() ? std::string() : json_text(extra);
}

Task<Result<ChosenModel>> prepare_answer(Environment& env, std::string model_text, rag::AnswerRequest& request,
                                         std::string tool_param, RequestContext& context) {
  RAGTIME_CO_TRY(ChosenModel model, co_await choose_model(env, std::move(model_text), context));
  const bool searches = request.search.has_value() || !model.store_id.empty();
  if (model.automatic && !searches) {
    request.route = env.answerer.route(request.messages);
    model.name = request.route->model;
  }
  request.model = model.name;
  if (request.search) {
    RAGTIME_CO_TRY(const bool checked,
                   co_await check_stores(env, request.search->store_ids, std::move(tool_param), context));
    if (!checked) request.degraded.push_back("database:stores→memory");
  }
  if (model.store_recalled) request.degraded.push_back("database:stores→memory");
  if (!model.store_id.empty()) {
    if (!request.search) request.search.emplace();
    std::vector<std::string>& stores = request.search->store_ids;
    if (std::find(stores.begin(), stores.end(), model.store_id) == stores.end()) stores.push_back(model.store_id);
  }
  co_return model;
}

void set_route_header(http::Response& response, const std::optional<rag::RouteChoice>& route) {
  if (route) response.headers.set("x-ragtime-route", route_text(*route));
}

void log_stream_failure(Environment& env, const RequestContext& context, const Error& error) {
  env.log.error("stream_failed", {{"request_id", std::string_view(context.request_id())},
                                  {"code", name(error.code)},
                                  {"message", std::string_view(error.message)}});
}

Task<Result<rag::Answer>> answer_safely(Environment& env, rag::AnswerRequest request, rag::AnswerEvents& events,
                                        RequestContext& context) {
  std::string failure;
  try {
    SplitEvents pieces(events, env.config.stream.chunk_bytes);
    auto answer = co_await env.answerer.answer(std::move(request), pieces, context);
    co_return answer;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  co_return make_error(ErrorCode::internal, std::move(failure));
}

}  // namespace ragtime::api
