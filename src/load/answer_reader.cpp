#include "load/answer_reader.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace ragtime::load {
namespace {

namespace json = boost::json;

constexpr std::size_t kChoicesMax = 128;
constexpr std::size_t kParseBytes = 4096;

const json::value* member(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && !value->is_null() ? value : nullptr;
}

bool has_text(const json::object& object, std::string_view key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_string() && !value->get_string().empty();
}

std::string error_text(const json::value& error) {
  if (const auto* object = error.if_object()) {
    const auto* message = object->if_contains("message");
    if (message != nullptr && message->is_string()) return std::string(message->get_string());
  }
  return json::serialize(error);
}

// Whether that is output in the sense of a user who waits.
bool is_content(const json::object& delta) {
  if (has_text(delta, "content") || has_text(delta, "reasoning_content") || has_text(delta, "reasoning") ||
      has_text(delta, "refusal") || has_text(delta, "text")) {
    return true;
  }
  const auto* calls = member(delta, "tool_calls");
  return calls != nullptr && calls->is_array() && !calls->get_array().empty();
}

}  // namespace

void AnswerReader::feed(std::string_view bytes, Time now) {
  if (!stream_) {
    if (!first_chunk_) first_chunk_ = now;
    last_chunk_ = now;
    body_.append(bytes);
    return;
  }
  for (const auto& event : parser_.feed(bytes)) take_event(event.data, now);
}

void AnswerReader::note_content(Time now) {
  if (!first_content_) first_content_ = now;
  if (last_content_) gaps_.push_back(now - *last_content_);
  last_content_ = now;
  ++content_chunks_;
}

void AnswerReader::take_choice(const void* pointer, bool& content) {
  const auto& choice = *static_cast<const json::object*>(pointer);
  std::size_t index = 0;
  if (const auto* value = member(choice, "index"); value != nullptr && value->is_int64()) {
    index = static_cast<std::size_t>(std::clamp<std::int64_t>(value->get_int64(), 0, kChoicesMax - 1));
  }
  if (finished_.size() <= index) finished_.resize(index + 1);
  const json::object* part = &choice;
  for (const std::string_view key : {"delta", "message"}) {
    const auto* value = member(choice, key);
    if (value != nullptr && value->is_object()) part = &value->get_object();
  }
  content = content || is_content(*part);
  if (keep_text_ && index == 0) {
    for (const std::string_view key : {"content", "text"}) {
      if (has_text(*part, key)) text_ += std::string_view(part->at(key).get_string());
    }
  }
  if (const auto* reason = member(choice, "finish_reason"); reason != nullptr && reason->is_string()) {
    finished_[index] = true;
    // vLLM's own words for a request that it gave up.
    if (reason->get_string() == "error" || reason->get_string() == "abort") {
      failed_ = true;
      error_ = "finish_reason " + std::string(reason->get_string());
    }
  }
}

void AnswerReader::take_event(std::string_view data, Time now) {
  if (data == "[DONE]") return;
  unsigned char memory[kParseBytes];
  json::monotonic_resource resource(memory, sizeof memory);
  boost::system::error_code parse_error;
  const auto value = json::parse(data, parse_error, &resource);
  if (parse_error || !value.is_object()) {
    malformed_ = true;
    return;
  }
  const auto& event = value.get_object();
  if (const auto* error = member(event, "error")) {
    failed_ = true;
    error_ = error_text(*error);
    return;
  }
  if (const auto* usage = member(event, "usage"); usage != nullptr && usage->is_object()) {
    const auto* tokens = member(usage->get_object(), "completion_tokens");
    if (tokens != nullptr && tokens->is_int64() && tokens->get_int64() >= 0) {
      usage_tokens_ = static_cast<std::size_t>(tokens->get_int64());
    }
  }
  const auto* choices = member(event, "choices");
  if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return;
  if (!first_chunk_) first_chunk_ = now;
  last_chunk_ = now;
  bool content = false;
  for (const auto& choice : choices->get_array()) {
    if (choice.is_object()) take_choice(&choice.get_object(), content);
  }
  if (content) note_content(now);
}

void AnswerReader::take_whole() {
  boost::system::error_code parse_error;
  const auto value = json::parse(body_, parse_error);
  if (parse_error || !value.is_object()) {
    malformed_ = true;
    return;
  }
  const auto& object = value.get_object();
  if (const auto* error = member(object, "error")) {
    failed_ = true;
    error_ = error_text(*error);
    return;
  }
  if (operation_ != LoadOperation::chat && operation_ != LoadOperation::completions) {
    const auto* list = member(object, operation_ == LoadOperation::rerank ? "results" : "data");
    finished_.assign(1, list != nullptr && list->is_array());
    return;
  }
  // The same members as in a stream, all at once.
  take_event(body_, last_chunk_);
}

std::string AnswerReader::finish() {
  if (!stream_) take_whole();
  if (failed_) return stream_ ? "error_event" : "error_body";
  if (malformed_) return "malformed";
  if (finished_.empty()) return "empty";
  const bool complete = std::find(finished_.begin(), finished_.end(), false) == finished_.end();
  return complete ? std::string() : "truncated";
}

}  // namespace ragtime::load
