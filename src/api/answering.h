// What chat completions and responses share on their way to the answerer.
#pragma once

#include <string>
#include <string_view>

#include "api/environment.h"
#include "api/file_search.h"
#include "api/json_reader.h"
#include "llm/chat_model.h"
#include "rag/answer.h"

namespace ragtime::api {

std::string_view finish_reason_name(llm::FinishReason reason);

// temperature, top_p
void read_sampling(const JsonNode& root, llm::ChatRequest& sampling);
// Fields that only the upstream understands, as they are.
json::object pass_through(const JsonNode& root, std::initializer_list<std::string_view> names);
// The text of `extra` for ChatRequest::extra_json; "" when empty.
std::string extra_json_text(const json::object& extra);

// Puts the chosen model and its store into the request, and checks every store of it.
// `tool_param` names the tool's list of stores in errors.
Task<Result<ChosenModel>> prepare_answer(Environment& env, std::string model_text, rag::AnswerRequest& request,
                                         std::string tool_param, RequestContext& context);

// x-ragtime-route, when the model was chosen by complexity. A stream over documents has none: its head leaves before
// the search that decides.
void set_route_header(http::Response& response, const std::optional<rag::RouteChoice>& route);

// The answerer's answer; an exception becomes an internal error, so that a stream can still end properly.
Task<Result<rag::Answer>> answer_safely(Environment& env, rag::AnswerRequest request, rag::AnswerEvents& events,
                                        RequestContext& context);

// A failure after the head of a stream was sent: the access log cannot show it.
void log_stream_failure(Environment& env, const RequestContext& context, const Error& error);

// For answers that nobody watches.
class SilentEvents final : public rag::AnswerEvents {
 public:
  Task<Result<void>> on_search_start(const std::vector<std::string>&) override { co_return Result<void>(); }
  Task<Result<void>> on_search_done(const engine::SearchResults&) override { co_return Result<void>(); }
  Task<Result<void>> on_delta(std::string_view) override { co_return Result<void>(); }
  Task<Result<void>> on_citation(const rag::Citation&) override { co_return Result<void>(); }
};

}  // namespace ragtime::api
