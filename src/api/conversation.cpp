#include "api/conversation.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/id.h"

namespace ragtime::api {
namespace {

void append_paragraph(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += "\n\n";
  text += more;
}

void add_message(Conversation& conversation, const std::string& role, std::string text) {
  if (role == "system" || role == "developer") {
    append_paragraph(conversation.instructions, text);
  } else {
    conversation.messages.push_back({role, std::move(text)});
  }
}

// One part of a message's content, whichever of the two routes it came by.
std::string read_text_part(const JsonNode& part) {
  const JsonNode type = part["type"];
  const std::string name = type.string();
  if (name == "text" || name == "input_text" || name == "output_text") return part["text"].string();
  if (name == "refusal") return part["refusal"].string();
  type.reject(fmt::format("Content of type '{}' is not supported yet; send text.", name));
  return {};
}

std::string read_chat_content(const JsonNode& content) {
  if (!content.is_array()) return content.string();
  std::string text;
  for (const JsonNode& part : content.items(kMessagesMax)) text += read_text_part(part);
  return text;
}

json::object text_part(const std::string& role, std::string text) {
  json::object part;
  part["type"] = role == "assistant" ? "output_text" : "input_text";
  part["text"] = std::move(text);
  if (role == "assistant") part["annotations"] = json::array();
  return part;
}

json::array read_item_content(const JsonNode& content, const std::string& role) {
  json::array parts;
  if (!content.is_array()) {
    parts.push_back(text_part(role, content.string()));
    return parts;
  }
  for (const JsonNode& part : content.items(kMessagesMax)) parts.push_back(text_part(role, read_text_part(part)));
  return parts;
}

json::object message_item(std::string id, const std::string& role, json::array content) {
  json::object item;
  item["id"] = std::move(id);
  item["type"] = "message";
  item["role"] = role;
  item["status"] = "completed";
  item["content"] = std::move(content);
  return item;
}

// Items that other servers or we put out and clients send back; they say nothing to a model here.
bool is_silent(std::string_view type) {
  return type == "reasoning" || type == "file_search_call" || type == "web_search_call";
}

json::object read_item(const JsonNode& item) {
  const JsonNode type = item["type"];
  const std::string name = type.optional_string().value_or("message");
  if (is_silent(name)) return item.is_object() ? item.value().get_object() : json::object();
  if (name != "message") {
    type.reject(fmt::format("Input items of type '{}' are not supported yet; 'message' is.", name));
    return {};
  }
  const std::string role = item["role"].choice({"user", "assistant", "system", "developer"});
  std::string id = item["id"].optional_string(128).value_or("");
  if (id.empty()) id = make_id("msg_");
  const JsonNode content = item["content"];
  if (!content.present()) content.reject_missing();
  return message_item(std::move(id), role, read_item_content(content, role));
}

std::string_view string_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::string text_of(const json::object& item) {
  std::string text;
  const json::value* content = item.if_contains("content");
  if (!content || !content->is_array()) return text;
  for (const json::value& part : content->get_array()) {
    if (part.is_object()) text += string_field(part.get_object(), "text");
  }
  return text;
}

}  // namespace

Conversation read_chat_messages(const JsonNode& messages) {
  Conversation conversation;
  if (!messages.present()) messages.reject_missing();
  for (const JsonNode& message : messages.items(kMessagesMax)) {
    const JsonNode role = message["role"];
    const std::string name = role.choice({"system", "developer", "user", "assistant", "tool", "function"});
    if (name == "tool" || name == "function") role.reject("Tool messages are not supported yet.");
    if (message["tool_calls"].present()) message["tool_calls"].reject("Tool calls are not supported yet.");
    add_message(conversation, name, read_chat_content(message["content"]));
  }
  return conversation;
}

json::array read_input_items(const JsonNode& input) {
  json::array items;
  if (!input.present()) input.reject_missing();
  if (input.is_array()) {
    for (const JsonNode& item : input.items(kMessagesMax)) items.push_back(read_item(item));
    return items;
  }
  if (input.present() && !input.is_string()) {
    input.reject_type("a string or an array");
    return items;
  }
  json::array content;
  content.push_back(text_part("user", input.string()));
  items.push_back(message_item(make_id("msg_"), "user", std::move(content)));
  return items;
}

Conversation conversation_of(const json::array& items) {
  Conversation conversation;
  for (const json::value& value : items) {
    if (!value.is_object()) continue;
    const json::object& item = value.get_object();
    if (string_field(item, "type") != "message") continue;
    add_message(conversation, std::string(string_field(item, "role")), text_of(item));
  }
  return conversation;
}

std::string missing_question(const Conversation& conversation) {
  const auto question = std::find_if(conversation.messages.rbegin(), conversation.messages.rend(),
                                     [](const llm::ChatMessage& message) { return message.role == "user"; });
  if (question == conversation.messages.rend()) return "There must be at least one message of the role 'user'.";
  if (question->content.find_first_not_of(" \t\r\n") == std::string::npos) return "The question must not be empty.";
  return {};
}

}  // namespace ragtime::api
