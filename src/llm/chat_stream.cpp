#include "llm/chat_stream.h"

#include <algorithm>

#include <boost/json.hpp>

#include "text/utf8.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

constexpr std::size_t kMessageBytesMax = 500;

const json::object* child_object(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::int64_t integer(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code ignored;
  return value->to_number<std::int64_t>(ignored);
}

const json::object* first_choice(const json::object& chunk) {
  const json::value* choices = chunk.if_contains("choices");
  if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return nullptr;
  return choices->get_array().front().if_object();
}

std::string content_of(const json::object& choice) {
  const json::object* delta = child_object(choice, "delta");
  const json::value* content = delta == nullptr ? nullptr : delta->if_contains("content");
  return content != nullptr && content->is_string() ? std::string(content->get_string()) : std::string();
}

std::optional<FinishReason> finish_reason_of(const json::object& choice) {
  const json::value* reason = choice.if_contains("finish_reason");
  if (reason == nullptr || !reason->is_string()) return std::nullopt;
  const std::string_view name = reason->get_string();
  if (name == "length") return FinishReason::length;
  if (name == "content_filter") return FinishReason::content_filter;
  if (name == "tool_calls" || name == "function_call") return FinishReason::tool_calls;
  return FinishReason::stop;
}

std::string error_text(const json::value& error) {
  if (error.is_string()) return std::string(error.get_string());
  if (const json::object* object = error.if_object()) {
    const json::value* message = object->if_contains("message");
    if (message != nullptr && message->is_string()) return std::string(message->get_string());
  }
  return json::serialize(error);
}

}  // namespace

Result<std::string> ChatStream::take(std::string_view data) {
  if (done_ || data.empty()) return std::string();
  if (data == "[DONE]") {
    done_ = true;
    return std::string();
  }
  boost::system::error_code failure;
  const json::value value = json::parse(data, failure);
  const json::object* chunk = failure ? nullptr : value.if_object();
  if (chunk == nullptr) return make_error(ErrorCode::unavailable, "the model server sent an event that is not JSON");
  if (const json::value* error = chunk->if_contains("error"); error != nullptr && !error->is_null()) {
    return make_error(ErrorCode::unavailable, "the model server reported: " + error_text(*error));
  }
  if (const json::object* usage = child_object(*chunk, "usage")) {
    usage_ = {integer(*usage, "prompt_tokens"), integer(*usage, "completion_tokens"), false};
  }
  const json::object* choice = first_choice(*chunk);
  if (choice == nullptr) return std::string();
  if (auto reason = finish_reason_of(*choice)) finish_reason_ = reason;
  return content_of(*choice);
}

Result<ChatOutcome> ChatStream::finish() const {
  if (!finish_reason_) return make_error(ErrorCode::unavailable, "the model server's answer was cut off");
  return ChatOutcome{*finish_reason_, usage_};
}

std::string upstream_message(std::string_view body) {
  boost::system::error_code failure;
  const json::value value = json::parse(body, failure);
  if (!failure && value.is_object()) {
    if (const json::value* error = value.get_object().if_contains("error")) return error_text(*error);
    if (const json::value* message = value.get_object().if_contains("message"); message && message->is_string()) {
      return std::string(message->get_string());
    }
  }
  return std::string(text::truncate_utf8(body, kMessageBytesMax));
}

}  // namespace ragtime::llm
