#include "api/chat_stream.h"

#include "api/answering.h"
#include "api/errors.h"
#include "api/json_text.h"
#include "api/wire.h"
#include "http/sse.h"

namespace ragtime::api {
namespace {

json::object frame_object(const ChatFrame& frame, std::string_view object) {
  return {{"id", frame.id}, {"object", object}, {"created", frame.created}, {"model", frame.model}};
}

}  // namespace

json::object chat_usage_object(const llm::ChatUsage& usage) {
  json::object object{{"prompt_tokens", usage.prompt_tokens},
                      {"completion_tokens", usage.completion_tokens},
                      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
  object["prompt_tokens_details"] = json::object{{"cached_tokens", 0}, {"audio_tokens", 0}};
  object["completion_tokens_details"] = json::object{{"reasoning_tokens", 0}, {"audio_tokens", 0}};
  return object;
}

json::object chat_completion_object(const ChatFrame& frame, const rag::Answer& answer) {
  json::array annotations;
  for (const rag::Citation& citation : answer.citations) annotations.push_back(citation_object(citation));
  json::object message{{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
  message["annotations"] = std::move(annotations);
  json::object choice{{"index", 0}, {"finish_reason", finish_reason_name(answer.finish_reason)}, {"logprobs", nullptr}};
  choice["message"] = std::move(message);
  json::array choices;
  choices.push_back(std::move(choice));
  json::object completion = frame_object(frame, "chat.completion");
  completion["choices"] = std::move(choices);
  completion["usage"] = chat_usage_object(answer.usage);
  return completion;
}

json::object ChatStream::chunk(json::object delta, json::value finish_reason) const {
  json::object choice;
  choice["index"] = 0;
  choice["delta"] = std::move(delta);
  choice["finish_reason"] = std::move(finish_reason);
  choice["logprobs"] = nullptr;
  json::array choices;
  choices.push_back(std::move(choice));
  json::object object = frame_object(frame_, "chat.completion.chunk");
  object["choices"] = std::move(choices);
  if (frame_.include_usage) object["usage"] = nullptr;
  return object;
}

Task<Result<void>> ChatStream::send(json::object object) {
  const std::string event = http::format_sse("", json_text(object));
  co_return co_await writer_.write(event);
}

Task<Result<void>> ChatStream::start() {
  json::object delta;
  delta["role"] = "assistant";
  delta["content"] = "";
  json::object first = chunk(std::move(delta), nullptr);
  co_return co_await send(std::move(first));
}

Task<Result<void>> ChatStream::on_search_start(const std::vector<std::string>&) {
  co_return Result<void>();
}

Task<Result<void>> ChatStream::on_search_done(const engine::SearchResults&) {
  co_return Result<void>();
}

Task<Result<void>> ChatStream::on_delta(std::string_view text) {
  json::object delta;
  delta["content"] = text;
  json::object next = chunk(std::move(delta), nullptr);
  co_return co_await send(std::move(next));
}

Task<Result<void>> ChatStream::on_citation(const rag::Citation& citation) {
  json::array annotations;
  annotations.push_back(citation_object(citation));
  json::object delta;
  delta["annotations"] = std::move(annotations);
  json::object next = chunk(std::move(delta), nullptr);
  co_return co_await send(std::move(next));
}

Task<Result<void>> ChatStream::finish(const rag::Answer& answer, json::object ragtime) {
  json::object last = chunk({}, json::value(finish_reason_name(answer.finish_reason)));
  last["ragtime"] = std::move(ragtime);
  std::string events = http::format_sse("", json_text(last));
  if (frame_.include_usage) {
    json::object usage = frame_object(frame_, "chat.completion.chunk");
    usage["choices"] = json::array();
    usage["usage"] = chat_usage_object(answer.usage);
    events += http::format_sse("", json_text(usage));
  }
  events += http::format_sse("", "[DONE]");
  co_return co_await writer_.write(events);
}

Task<Result<void>> ChatStream::fail(const Error& error) {
  json::object object;
  object["error"] = error_object(error);
  co_return co_await send(std::move(object));
}

}  // namespace ragtime::api
