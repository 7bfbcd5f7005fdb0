// POST /streaming/chat and /streaming/chat/with-metadata: the events of one answer, each a JSON object with a "type":
//
//   start · [metadata · search] · delta … with [citation] between · done | error
//
// Those in brackets only with metadata; `[DONE]` follows the last. Over WebSocket the same routes answer, see
// event_socket.h.
#include <memory>
#include <string>
#include <vector>

#include "api/answering.h"
#include "api/chat_stream.h"
#include "api/endpoints.h"
#include "api/errors.h"
#include "api/json_reader.h"
#include "api/json_text.h"
#include "api/reply.h"
#include "api/stopwatch.h"
#include "api/wire.h"
#include "http/sse.h"
#include "rag/answer.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kSessionIdCharsMax = 256;

struct StreamingChatJob {
  Stopwatch total;
  std::string session_id;  // Given back; a client's name for the conversation.
  std::string user_id;
  std::string model_text;  // As in chat completions: a model, MODEL@STORE, or empty for the default.
  json::object metadata;   // Given back with metadata.
  bool with_metadata = false;
  std::shared_ptr<Limiter::Admission> admission;
  rag::AnswerRequest answer;
};

using Job = std::shared_ptr<StreamingChatJob>;

json::object event_of(std::string_view type) {
  json::object event;
  event["type"] = type;
  return event;
}

class StreamingEvents final : public rag::AnswerEvents {
 public:
  StreamingEvents(http::StreamWriter& writer, bool with_metadata) : writer_(writer), with_metadata_(with_metadata) {}

  Task<Result<void>> on_search_start(const std::vector<std::string>& queries) override {
    queries_ = queries;
    co_return Result<void>();
  }

  Task<Result<void>> on_search_done(const engine::SearchResults& results) override {
    if (!with_metadata_) co_return Result<void>();
    json::object event = event_of("search");
    event["queries"] = json::array(queries_.begin(), queries_.end());
    event["results"] = results.hits.size();
    co_return co_await send(std::move(event));
  }

  Task<Result<void>> on_delta(std::string_view text) override {
    json::object event = event_of("delta");
    event["content"] = text;
    co_return co_await send(std::move(event));
  }

  Task<Result<void>> on_citation(const rag::Citation& citation) override {
    if (!with_metadata_) co_return Result<void>();
    json::object event = event_of("citation");
    event["citation"] = citation_object(citation);
    co_return co_await send(std::move(event));
  }

  // A client that refused an event gets no further one.
  Task<Result<void>> send(json::object event) {
    if (refused_) co_return make_error(ErrorCode::cancelled, "the client is gone");
    const std::string bytes = http::format_sse("", json_text(event));
    auto sent = co_await writer_.write(bytes);
    refused_ = sent.has_error();
    co_return sent;
  }

 private:
  http::StreamWriter& writer_;
  const bool with_metadata_;
  std::vector<std::string> queries_;
  bool refused_ = false;
};

json::object start_event(const StreamingChatJob& job, const RequestContext& context) {
  json::object event = event_of("start");
  event["session_id"] = job.session_id;
  event["request_id"] = context.request_id();
  event["model"] = job.answer.model;
  return event;
}

json::object metadata_event(const StreamingChatJob& job) {
  json::object event = event_of("metadata");
  event["session_id"] = job.session_id;
  event["user_id"] = job.user_id;
  event["metadata"] = job.metadata;
  return event;
}

json::object done_event(const StreamingChatJob& job, const rag::Answer& answer, RequestContext& context) {
  json::object event = event_of("done");
  event["session_id"] = job.session_id;
  event["model"] = answer.model;
  event["finish_reason"] = finish_reason_name(answer.finish_reason);
  if (job.with_metadata) {
    event["content"] = answer.text;
    event["usage"] = chat_usage_object(answer.usage);
    event["ragtime"] = ragtime_object(context, job.total.milliseconds(), answer);
  } else if (!answer.degraded.empty()) {
    event["degraded"] = json::array(answer.degraded.begin(), answer.degraded.end());
  }
  return event;
}

json::object error_event(const Error& error) {
  json::object event = event_of("error");
  event["error"] = error_object(error);
  return event;
}

// Every event but [DONE]. An error: the client is gone.
Task<Result<void>> send_events(Environment& env, Job job, RequestContext& context, http::StreamWriter& writer) {
  StreamingEvents events(writer, job->with_metadata);
  RAGTIME_CO_TRY_DONE(co_await events.send(start_event(*job, context)));
  if (job->with_metadata) RAGTIME_CO_TRY_DONE(co_await events.send(metadata_event(*job)));
  auto answer = co_await answer_safely(env, std::move(job->answer), events, context);
  env.observe_stages(context);
  if (answer.has_value()) {
    settle_usage(job->admission, answer->usage);
    co_return co_await events.send(done_event(*job, *answer, context));
  }
  if (answer.error().code == ErrorCode::cancelled) co_return std::move(answer).error();
  log_stream_failure(env, context, answer.error());
  co_return co_await events.send(error_event(answer.error()));
}

Task<> stream_chat_events(Environment& env, Job job, RequestContext& context, http::StreamWriter& writer) {
  const auto sent = co_await send_events(env, job, context, writer);
  if (sent.has_error()) co_return;
  const std::string end = http::format_sse("", "[DONE]");
  co_await writer.write(end);
}

Result<Job> read_streaming_chat(std::string_view body, bool with_metadata) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  auto job = std::make_shared<StreamingChatJob>();
  std::string message = root["message"].string();
  if (message.find_first_not_of(" \t\r\n") == std::string::npos) root["message"].reject("'message' must not be empty.");
  job->session_id = root["session_id"].optional_string(kSessionIdCharsMax).value_or("");
  job->user_id = root["user_id"].optional_string(kSessionIdCharsMax).value_or("");
  job->model_text = root["model"].optional_string().value_or("");
  for (const auto& [key, value] : root["metadata"].members()) {
    if (value.present()) job->metadata[key] = value.value();
  }
  const JsonNode stores = root["vector_store_ids"];
  if (stores.present()) {
    job->answer.search.emplace();
    for (const JsonNode& store : stores.items(kToolStoresMax)) job->answer.search->store_ids.push_back(store.string());
    if (job->answer.search->store_ids.empty()) stores.reject("'vector_store_ids' must name a vector store.");
  }
  RAGTIME_TRY_DONE(document.status());
  job->with_metadata = with_metadata;
  job->answer.messages.push_back({"user", std::move(message)});
  return job;
}

Task<Result<http::Response>> stream_chat(Environment& env, http::Request& request, RequestContext& context,
                                         bool with_metadata) {
  RAGTIME_CO_TRY(const Job job, read_streaming_chat(request.body, with_metadata));
  RAGTIME_CO_TRY_DONE(co_await prepare_answer(env, job->model_text, job->answer, "vector_store_ids", context));
  job->admission = admission_of(request);
  job->answer.sampling.priority = priority_of(request);
  http::Response reply = event_stream_reply();
  set_route_header(reply, job->answer.route);
  reply.stream = [&env, &context, job](http::StreamWriter& writer) {
    return stream_chat_events(env, job, context, writer);
  };
  co_return reply;
}

}  // namespace

Task<Result<http::Response>> create_streaming_chat(Environment& env, http::Request& request, RequestContext& context) {
  co_return co_await stream_chat(env, request, context, false);
}

Task<Result<http::Response>> create_streaming_chat_with_metadata(Environment& env, http::Request& request,
                                                                 RequestContext& context) {
  co_return co_await stream_chat(env, request, context, true);
}

}  // namespace ragtime::api
