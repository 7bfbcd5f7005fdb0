// POST /v1/responses
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "api/answering.h"
#include "api/conversation.h"
#include "api/endpoints.h"
#include "api/json_text.h"
#include "api/lookups.h"
#include "api/reply.h"
#include "api/response_request.h"
#include "api/response_stream.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

using Job = std::shared_ptr<ResponseJob>;

// The items that a stored response was made from, followed by what it answered.
Result<json::array> stored_items(const storage::ResponseRecord& record) {
  boost::system::error_code error;
  json::value input = json::parse(record.input_items, error);
  json::value body = error ? json::value() : json::parse(record.body, error);
  if (error || !input.is_array() || !body.is_object()) {
    return make_error(ErrorCode::corrupt, fmt::format("The stored response '{}' is damaged.", record.id));
  }
  json::array items = std::move(input.get_array());
  const json::value* output = body.get_object().if_contains("output");
  if (output && output->is_array()) {
    for (const json::value& item : output->get_array()) items.push_back(item);
  }
  return items;
}

Task<Result<void>> add_previous(Environment& env, Job job, RequestContext& context) {
  if (job->previous_response_id.empty()) co_return Result<void>();
  const auto get = [&] { return env.database.get_response(context.tenant(), job->previous_response_id); };
  auto record = co_await env.blocking.run(context, get);
  if (record.has_error()) {
    co_return explain_not_found(record.error(),
                                fmt::format("No stored response '{}' exists.", job->previous_response_id),
                                "previous_response_id");
  }
  RAGTIME_CO_TRY(json::array items, stored_items(*record));
  items.insert(items.end(), job->input_items.begin(), job->input_items.end());
  job->input_items = std::move(items);
  co_return Result<void>();
}

Result<void> take_conversation(ResponseJob& job) {
  Conversation conversation = conversation_of(job.input_items);
  if (std::string wrong = missing_question(conversation); !wrong.empty()) {
    return make_error(ErrorCode::invalid_argument, std::move(wrong), "input");
  }
  std::string& instructions = job.answer.instructions;
  if (!instructions.empty() && !conversation.instructions.empty()) instructions += "\n\n";
  instructions += conversation.instructions;
  job.answer.messages = std::move(conversation.messages);
  return {};
}

Task<Result<void>> prepare(Environment& env, Job job, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(co_await add_previous(env, job, context));
  RAGTIME_CO_TRY_DONE(take_conversation(*job));
  RAGTIME_CO_TRY(const ChosenModel model,
                 co_await prepare_answer(env, job->model_text, job->answer, "tools[0].vector_store_ids", context));
  if (model.built_in && job->structured) {
    co_return make_error(ErrorCode::invalid_argument,
                         fmt::format("The model '{}' answers in plain text only.", model.name), "text.format");
  }
  job->draft.fields["model"] = job->model_text.empty() ? model.name : job->model_text;
  co_return Result<void>();
}

storage::ResponseRecord make_record(const Environment& env, const ResponseJob& job, const RequestContext& context,
                                    const json::object& response) {
  storage::ResponseRecord record;
  record.id = job.draft.id;
  record.tenant = context.tenant();
  record.created_at = env.clock.unix_seconds();
  record.body = json_text(response);
  record.input_items = json_text(job.input_items);
  return record;
}

// An answer that cannot be stored is still an answer; it says that it was not.
Task<json::object> stored(Environment& env, Job job, json::object response, rag::Answer answer,
                          RequestContext& context) {
  response["ragtime"] = ragtime_object(context, job->total.milliseconds(), answer);
  if (!job->store) co_return response;
  const storage::ResponseRecord record = make_record(env, *job, context, response);
  auto inserted = co_await env.blocking.run(context, [&] { return env.database.insert_response(record); });
  if (inserted.has_error()) {
    log_stream_failure(env, context, inserted.error());
    answer.degraded.push_back("store:not_stored");
    response["store"] = false;
    response["ragtime"] = ragtime_object(context, job->total.milliseconds(), answer);
  }
  co_return response;
}

Task<> stream_failure(Environment& env, Job job, ResponseStream& stream, Error error, RequestContext& context) {
  if (error.code == ErrorCode::cancelled) co_return;
  log_stream_failure(env, context, error);
  json::object response = failed_response(job->draft, error, stream.output());
  response["ragtime"] = ragtime_object(context, job->total.milliseconds(), std::vector<std::string>());
  co_await stream.fail(error, std::move(response));
}

Task<> stream_response(Environment& env, Job job, RequestContext& context, http::StreamWriter& writer) {
  ResponseStream stream(job->draft, writer);
  auto sent = co_await stream.start();
  if (sent.has_error()) co_return;
  auto answer = co_await answer_safely(env, std::move(job->answer), stream, context);
  env.observe_stages(context);
  if (answer.has_error()) {
    co_await stream_failure(env, job, stream, answer.error(), context);
    co_return;
  }
  settle_usage(job->admission, answer->usage);
  stream.close_message(answer->finish_reason);
  json::object response = finished_response(job->draft, *answer, stream.output(), env.clock.unix_seconds());
  response = co_await stored(env, job, std::move(response), std::move(*answer), context);
  co_await stream.finish(std::move(response));
}

}  // namespace

Task<Result<http::Response>> create_response(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const Job job, read_response_request(env, request.body));
  RAGTIME_CO_TRY_DONE(co_await prepare(env, job, context));
  job->admission = admission_of(request);
  job->answer.sampling.priority = priority_of(request);
  if (job->stream) {
    http::Response reply = event_stream_reply();
    set_route_header(reply, job->answer.route);
    reply.stream = [&env, &context, job](http::StreamWriter& writer) {
      return stream_response(env, job, context, writer);
    };
    co_return reply;
  }
  const bool searched = job->answer.search.has_value();
  SilentEvents events;
  RAGTIME_CO_TRY(rag::Answer answer, co_await env.answerer.answer(std::move(job->answer), events, context));
  settle_usage(job->admission, answer.usage);
  json::array output = output_items(job->draft, answer, searched);
  json::object response = finished_response(job->draft, answer, std::move(output), env.clock.unix_seconds());
  response = co_await stored(env, job, std::move(response), answer, context);
  http::Response reply = json_reply(response);
  set_route_header(reply, answer.route);
  co_return reply;
}

}  // namespace ragtime::api
