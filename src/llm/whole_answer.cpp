#include "llm/whole_answer.h"

#include <utility>

#include <boost/json.hpp>

namespace ragtime::llm {
namespace {

namespace json = boost::json;

UpstreamFault malformed(std::string message) {
  return {FaultKind::malformed, 0, std::move(message), {}};
}

// Passes over the array; false when it holds nothing, or an answer that was given up.
bool read_choices(JsonCursor& cursor, bool& given_up) {
  std::size_t count = 0;
  while (cursor.next_element()) {
    ++count;
    std::string_view key;
    if (!cursor.enter_object()) cursor.skip_value();
    while (cursor.next_member(key)) {
      const bool is_reason = key == "finish_reason";
      if (is_reason && cursor.peek() == '"') {
        given_up = given_up || gives_up(*cursor.raw_string());
      } else {
        cursor.skip_value();
      }
    }
  }
  return count > 0;
}

// A choice of a whole answer as the choice of a chunk.
void make_delta(json::object& choice) {
  json::value* message = choice.if_contains("message");
  if (message == nullptr || !message->is_object()) return;
  json::object delta = std::move(message->get_object());
  if (json::value* calls = delta.if_contains("tool_calls"); calls != nullptr && calls->is_array()) {
    std::int64_t index = 0;
    for (json::value& call : calls->get_array()) {
      if (call.is_object()) call.get_object()["index"] = index++;
    }
  }
  choice.erase("message");
  choice["delta"] = std::move(delta);
}

}  // namespace

bool gives_up(std::string_view raw_finish_reason) {
  return raw_finish_reason == "abort" || raw_finish_reason == "error";
}

std::optional<ChatUsage> read_usage(JsonCursor& cursor) {
  if (!cursor.enter_object()) {
    cursor.skip_value();
    return std::nullopt;
  }
  ChatUsage usage;
  std::string_view key;
  while (cursor.next_member(key)) {
    if (key == "prompt_tokens") {
      usage.prompt_tokens = cursor.integer().value_or(0);
    } else if (key == "completion_tokens") {
      usage.completion_tokens = cursor.integer().value_or(0);
    } else {
      cursor.skip_value();
    }
  }
  return usage;
}

std::optional<UpstreamFault> check_whole_answer(std::string_view body, std::optional<ChatUsage>& usage) {
  JsonCursor cursor(body);
  if (!cursor.enter_object()) return malformed("sent an answer that is not a JSON object");
  bool answered = false;
  bool given_up = false;
  bool is_error = false;
  std::string_view key;
  while (cursor.next_member(key)) {
    if (key == "choices" && cursor.enter_array()) {
      answered = read_choices(cursor, given_up);
    } else if (key == "usage") {
      usage = read_usage(cursor);
    } else if (key == "error") {
      is_error = cursor.peek() != 'n';
      cursor.skip_value();
    } else if (key == "object" && cursor.peek() == '"') {
      is_error = is_error || cursor.raw_string() == "error";
    } else {
      cursor.skip_value();
    }
  }
  if (!cursor.at_end()) return malformed("sent an answer that is not JSON");
  if (is_error) return fault_of_object(body);
  if (given_up) return UpstreamFault{FaultKind::cut, 0, "gave the answer up", {}};
  if (!answered) return malformed("sent an answer without choices");
  return std::nullopt;
}

std::string events_of_answer(std::string_view body) {
  boost::system::error_code failure;
  json::value value = json::parse(body, failure);
  if (failure || !value.is_object()) return {};
  json::object& chunk = value.get_object();
  const bool is_chat = chunk.if_contains("object") != nullptr && chunk["object"] == "chat.completion";
  if (is_chat) chunk["object"] = "chat.completion.chunk";
  json::value usage = nullptr;
  if (json::value* told = chunk.if_contains("usage")) {
    usage = std::move(*told);
    chunk.erase("usage");
  }
  if (json::value* choices = chunk.if_contains("choices"); choices != nullptr && choices->is_array()) {
    for (json::value& choice : choices->get_array()) {
      if (choice.is_object()) make_delta(choice.get_object());
    }
  }
  std::string out = "data: " + json::serialize(chunk) + "\n\n";
  if (!usage.is_null()) {
    chunk["choices"] = json::array();
    chunk["usage"] = std::move(usage);
    out += "data: " + json::serialize(chunk) + "\n\n";
  }
  return out + "data: [DONE]\n\n";
}

}  // namespace ragtime::llm
