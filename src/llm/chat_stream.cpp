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

// The choice with index 0; a server asked for one answer may leave the index out.
const json::object* first_choice(const json::object& chunk) {
  const json::value* choices = chunk.if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return nullptr;
  for (const json::value& value : choices->get_array()) {
    const json::object* choice = value.if_object();
    if (choice != nullptr && integer(*choice, "index") == 0) return choice;
  }
  return nullptr;
}

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view{};
}

FinishReason finish_reason_of(std::string_view name) {
  if (name == "length") return FinishReason::length;
  if (name == "content_filter") return FinishReason::content_filter;
  if (name == "tool_calls" || name == "function_call") return FinishReason::tool_calls;
  return FinishReason::stop;
}

// vLLM ends a request that it could not serve with these.
bool is_failure(std::string_view finish_reason) {
  return finish_reason == "abort" || finish_reason == "error";
}

std::string one_line(std::string_view text) {
  std::string line(text::truncate_utf8(text, kMessageBytesMax));
  for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return line;
}

std::string error_text(const json::value& error) {
  if (error.is_string()) return one_line(error.get_string());
  if (const json::object* object = error.if_object()) {
    if (const auto message = text_of(*object, "message"); !message.empty()) return one_line(message);
  }
  return one_line(json::serialize(error));
}

}  // namespace

Result<std::string> ChatStream::take(std::string_view data) {
  if (done_ || data.empty()) return std::string();
  if (data == "[DONE]") {
    done_ = true;
    return std::string();
  }
  return take_object(data);
}

Result<std::string> ChatStream::take_object(std::string_view text) {
  boost::system::error_code failure;
  const json::value value = json::parse(text, failure);
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
  if (const auto reason = text_of(*choice, "finish_reason"); !reason.empty()) {
    if (is_failure(reason)) return make_error(ErrorCode::unavailable, "the model server gave the answer up");
    finish_reason_ = finish_reason_of(reason);
  }
  const json::object* delta = child_object(*choice, "delta");
  if (delta == nullptr) return std::string();
  return std::string(text_of(*delta, "content"));
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
    for (const std::string_view key : {"message", "detail"}) {
      if (const auto message = text_of(value.get_object(), key); !message.empty()) return one_line(message);
    }
  }
  return one_line(body);
}

}  // namespace ragtime::llm
