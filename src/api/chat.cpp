// POST /v1/chat/completions
#include <memory>

#include <fmt/format.h>

#include "api/answering.h"
#include "api/chat_stream.h"
#include "api/conversation.h"
#include "api/endpoints.h"
#include "api/relay.h"
#include "api/reply.h"
#include "api/stopwatch.h"
#include "api/wire.h"
#include "base/id.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kTokensMax = 10'000'000;
constexpr std::size_t kStopsMax = 16;

struct ChatJob {
  Stopwatch total;
  ChatFrame frame;
  std::string model_text;
  bool stream = false;
  bool response_format = false;
  std::shared_ptr<Limiter::Admission> admission;
  rag::AnswerRequest answer;
};

std::vector<std::string> read_stop(const JsonNode& node) {
  std::vector<std::string> stop;
  if (node.is_array()) {
    for (const JsonNode& item : node.items(kStopsMax)) stop.push_back(item.string());
  } else if (auto single = node.optional_string()) {
    stop.push_back(std::move(*single));
  }
  return stop;
}

void refuse_unsupported(const JsonNode& root) {
  if (root["n"].optional_integer(1, 128).value_or(1) != 1) root["n"].reject("Only one choice ('n': 1) is supported.");
  if (root["logprobs"].boolean_or(false)) root["logprobs"].reject("'logprobs' are not supported.");
  for (const std::string_view name : {"functions", "function_call", "audio", "web_search_options"}) {
    if (root[name].present()) root[name].reject(fmt::format("'{}' is not supported.", name));
  }
}

llm::ChatRequest read_chat_sampling(const JsonNode& root) {
  llm::ChatRequest sampling;
  read_sampling(root, sampling);
  sampling.tokens_max = root["max_tokens"].optional_integer(1, kTokensMax);
  if (const auto newer = root["max_completion_tokens"].optional_integer(1, kTokensMax)) sampling.tokens_max = newer;
  sampling.stop = read_stop(root["stop"]);
  sampling.seed =
      root["seed"].optional_integer(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  root["presence_penalty"].optional_number(-2, 2);
  root["frequency_penalty"].optional_number(-2, 2);
  sampling.extra_json = extra_json_text(pass_through(
      root, {"presence_penalty", "frequency_penalty", "logit_bias", "response_format", "reasoning_effort", "verbosity",
             "user", "safety_identifier", "prompt_cache_key", "top_k", "min_p", "repetition_penalty",
             "chat_template_kwargs", "guided_json", "guided_regex", "guided_choice"}));
  return sampling;
}

// Whether the caller wants something else than plain text.
bool has_response_format(const JsonNode& format) {
  return format.present() && format["type"].choice({"text", "json_object", "json_schema"}) != "text";
}

Result<std::shared_ptr<ChatJob>> read_request(const Environment& env, const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  auto job = std::make_shared<ChatJob>();
  Conversation conversation = read_chat_messages(root["messages"]);
  job->model_text = root["model"].optional_string().value_or("");
  refuse_unsupported(root);
  job->stream = root["stream"].boolean_or(false);
  job->frame.include_usage = root["stream_options"]["include_usage"].boolean_or(false);
  job->response_format = has_response_format(root["response_format"]);
  job->answer.sampling = read_chat_sampling(root);
  job->answer.search = read_tools(root["tools"], root["tool_choice"]);
  if (const std::string wrong = missing_question(conversation); !wrong.empty()) root["messages"].reject(wrong);
  RAGTIME_TRY_DONE(document.status());
  job->answer.messages = std::move(conversation.messages);
  job->answer.instructions = std::move(conversation.instructions);
  job->frame.id = make_id("chatcmpl-");
  job->frame.created = env.clock.unix_seconds();
  return job;
}

// A relay that failed before its first output, for another reason than the client's own.
bool can_be_replaced(const Error& error, const RequestContext& context) {
  const bool models_fault = error.code == ErrorCode::unavailable || error.code == ErrorCode::resource_exhausted ||
                            error.code == ErrorCode::deadline_exceeded;
  return models_fault && context.check().has_value();
}

Task<> stream_chat(Environment& env, std::shared_ptr<ChatJob> job, RequestContext& context,
                   http::StreamWriter& writer) {
  ChatStream stream(job->frame, writer);
  auto sent = co_await stream.start();
  if (sent.has_error()) co_return;
  auto answer = co_await answer_safely(env, std::move(job->answer), stream, context);
  env.observe_stages(context);
  if (answer.has_value()) {
    settle_usage(job->admission, answer->usage);
    json::object ragtime = ragtime_object(context, job->total.milliseconds(), *answer);
    sent = co_await stream.finish(*answer, std::move(ragtime));
  } else if (answer.error().code != ErrorCode::cancelled) {
    log_stream_failure(env, context, answer.error());
    sent = co_await stream.fail(answer.error());
  }
}

}  // namespace

Task<Result<http::Response>> create_chat_completion(Environment& env, http::Request& request, RequestContext& context) {
  const std::string body = env.answerer.has_message() ? request.body : std::string();
  std::optional<Error> failure;
  if (auto relayed = relayed_request(env, request, llm::GatewayApi::chat_completions)) {
    auto reply = co_await relay(env, std::move(*relayed), request, context);
    if (reply.has_value() || body.empty() || !can_be_replaced(reply.error(), context)) co_return reply;
    failure = std::move(reply).error();
    request.body = body;
  }
  auto read = read_request(env, request.body);
  if (read.has_error() && failure) co_return std::move(*failure);
  RAGTIME_CO_TRY(const auto job, std::move(read));
  job->answer.model_failure = std::move(failure);
  RAGTIME_CO_TRY(const ChosenModel model,
                 co_await prepare_answer(env, job->model_text, job->answer, "tools[0].vector_store_ids", context));
  if (model.built_in && job->response_format) {
    co_return make_error(ErrorCode::invalid_argument,
                         fmt::format("The model '{}' answers in plain text only.", model.name), "response_format");
  }
  job->admission = admission_of(request);
  job->answer.sampling.priority = priority_of(request);
  job->frame.model = job->model_text.empty() ? model.name : job->model_text;
  if (job->stream) {
    http::Response response = event_stream_reply();
    set_route_header(response, job->answer.route);
    response.stream = [&env, &context, job](http::StreamWriter& writer) {
      return stream_chat(env, job, context, writer);
    };
    co_return response;
  }
  SilentEvents events;
  RAGTIME_CO_TRY(const rag::Answer answer, co_await env.answerer.answer(std::move(job->answer), events, context));
  settle_usage(job->admission, answer.usage);
  json::object completion = chat_completion_object(job->frame, answer);
  completion["ragtime"] = ragtime_object(context, job->total.milliseconds(), answer);
  http::Response response = json_reply(completion);
  set_route_header(response, answer.route);
  co_return response;
}

}  // namespace ragtime::api
