#include "api/response_stream.h"

#include "api/errors.h"
#include "api/json_text.h"
#include "api/wire.h"
#include "http/sse.h"

namespace ragtime::api {
namespace {

json::object item_event(std::size_t output_index, json::object item) {
  json::object fields;
  fields["output_index"] = output_index;
  fields["item"] = std::move(item);
  return fields;
}

json::object search_event(const std::string& item_id, std::size_t output_index) {
  json::object fields;
  fields["item_id"] = item_id;
  fields["output_index"] = output_index;
  return fields;
}

json::object response_event(json::object response) {
  json::object fields;
  fields["response"] = std::move(response);
  return fields;
}

}  // namespace

void ResponseStream::emit(std::string_view type, json::object fields) {
  json::object event;
  event["type"] = type;
  event["sequence_number"] = sequence_++;
  for (auto& field : fields) event[field.key()] = std::move(field.value());
  buffer_ += http::format_sse(type, json_text(event));
}

Task<Result<void>> ResponseStream::flush() {
  const std::string bytes = std::move(buffer_);
  buffer_.clear();
  co_return co_await writer_.write(bytes);
}

// Where text events belong: the one part of the message, which follows the items that are done.
json::object ResponseStream::place() const {
  json::object fields;
  fields["item_id"] = draft_.message_item_id;
  fields["output_index"] = output_.size();
  fields["content_index"] = 0;
  return fields;
}

Task<Result<void>> ResponseStream::start() {
  emit("response.created", response_event(draft_.object("in_progress")));
  emit("response.in_progress", response_event(draft_.object("in_progress")));
  co_return co_await flush();
}

Task<Result<void>> ResponseStream::on_search_start(const std::vector<std::string>& queries) {
  queries_ = queries;
  const std::size_t index = output_.size();
  emit("response.output_item.added", item_event(index, draft_.search_item("in_progress", {}, nullptr)));
  emit("response.file_search_call.in_progress", search_event(draft_.search_item_id, index));
  emit("response.file_search_call.searching", search_event(draft_.search_item_id, index));
  co_return co_await flush();
}

Task<Result<void>> ResponseStream::on_search_done(const engine::SearchResults& results) {
  const std::size_t index = output_.size();
  json::object item = draft_.search_item("completed", queries_, &results);
  emit("response.file_search_call.completed", search_event(draft_.search_item_id, index));
  emit("response.output_item.done", item_event(index, item));
  output_.push_back(std::move(item));
  co_return co_await flush();
}

void ResponseStream::open_message() {
  if (message_open_) return;
  message_open_ = true;
  emit("response.output_item.added", item_event(output_.size(), draft_.message_item("in_progress", {})));
  json::object part = place();
  part["part"] = output_text_part("", {});
  emit("response.content_part.added", std::move(part));
}

Task<Result<void>> ResponseStream::on_delta(std::string_view text) {
  if (text.empty()) co_return Result<void>();
  open_message();
  text_ += text;
  json::object delta = place();
  delta["delta"] = text;
  delta["logprobs"] = json::array();
  emit("response.output_text.delta", std::move(delta));
  co_return co_await flush();
}

Task<Result<void>> ResponseStream::on_citation(const rag::Citation& citation) {
  open_message();
  json::object fields = place();
  fields["annotation_index"] = annotations_.size();
  fields["annotation"] = citation_object(citation);
  annotations_.push_back(citation_object(citation));
  emit("response.output_text.annotation.added", std::move(fields));
  co_return co_await flush();
}

void ResponseStream::close_message(llm::FinishReason reason) {
  open_message();
  json::object text = place();
  text["text"] = text_;
  text["logprobs"] = json::array();
  emit("response.output_text.done", std::move(text));
  const json::object part = output_text_part(text_, annotations_);
  json::object part_done = place();
  part_done["part"] = part;
  emit("response.content_part.done", std::move(part_done));
  json::array content;
  content.push_back(part);
  json::object item = draft_.message_item(final_status(reason), std::move(content));
  emit("response.output_item.done", item_event(output_.size(), item));
  output_.push_back(std::move(item));
  message_open_ = false;
}

Task<Result<void>> ResponseStream::finish(json::object response) {
  const bool completed = response.at("status") == "completed";
  emit(completed ? "response.completed" : "response.incomplete", response_event(std::move(response)));
  buffer_ += http::format_sse("", "[DONE]");
  co_return co_await flush();
}

Task<Result<void>> ResponseStream::fail(const Error& error, json::object response) {
  json::object object = error_object(error);
  json::object fields;
  fields["code"] = object["code"];
  fields["message"] = object["message"];
  fields["param"] = object["param"];
  emit("error", std::move(fields));
  emit("response.failed", response_event(std::move(response)));
  buffer_ += http::format_sse("", "[DONE]");
  co_return co_await flush();
}

}  // namespace ragtime::api
