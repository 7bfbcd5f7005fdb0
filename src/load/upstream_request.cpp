#include "load/upstream_request.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace ragtime::load {
namespace {

namespace json = boost::json;

constexpr std::size_t kScanBytes = 1024;

Error bad(std::string what) {
  return make_error(ErrorCode::invalid_argument, std::move(what));
}

std::size_t positive(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_int64() && value->get_int64() > 0 ? static_cast<std::size_t>(value->get_int64())
                                                                        : 0;
}

bool truth(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// A message's content: text, or parts with text.
std::string content_text(const json::value& content) {
  if (const auto* text = content.if_string()) return std::string(*text);
  std::string out;
  const auto* parts = content.if_array();
  if (parts == nullptr) return out;
  for (const auto& part : *parts) {
    const auto* object = part.if_object();
    const auto* text = object != nullptr ? object->if_contains("text") : nullptr;
    if (text != nullptr && text->is_string()) out += std::string_view(text->get_string());
  }
  return out;
}

Result<void> read_messages(const json::object& body, UpstreamRequest& out) {
  const auto* messages = body.if_contains("messages");
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) return bad("messages are missing");
  for (const auto& message : messages->get_array()) {
    const auto* object = message.if_object();
    if (object == nullptr || !object->contains("role")) return bad("a message needs a role");
    const auto* content = object->if_contains("content");
    if (content == nullptr) continue;
    out.script.echo = content_text(*content);
    out.prompt += out.script.echo + '\n';
  }
  return {};
}

Result<void> read_prompt(const json::object& body, UpstreamRequest& out) {
  const auto* prompt = body.if_contains("prompt");
  if (prompt == nullptr) return bad("prompt is missing");
  out.script.echo = prompt->is_string() ? std::string(prompt->get_string()) : json::serialize(*prompt);
  out.prompt = out.script.echo;
  return {};
}

std::string_view scanned_text(std::string_view body, std::string_view key) {
  const auto at = body.find(key);
  if (at == std::string_view::npos) return {};
  const auto open = body.find('"', at + key.size());
  if (open == std::string_view::npos) return {};
  const auto close = body.find('"', open + 1);
  return close == std::string_view::npos ? std::string_view() : body.substr(open + 1, close - open - 1);
}

}  // namespace

Result<UpstreamRequest> read_request(Operation operation, std::string_view body) {
  boost::system::error_code error;
  auto value = json::parse(body, error);
  if (error) return bad("the body is not JSON: " + error.message());
  if (!value.is_object()) return bad("the body is not an object");
  UpstreamRequest out;
  out.body = std::move(value.get_object());
  const auto* model = out.body.if_contains("model");
  if (model != nullptr && model->is_string()) out.script.model = model->get_string();
  out.script.operation = operation;
  if (operation == Operation::chat) RAGTIME_TRY_DONE(read_messages(out.body, out));
  if (operation == Operation::completions) RAGTIME_TRY_DONE(read_prompt(out.body, out));
  out.script.stream = truth(out.body, "stream");
  if (const auto* options = out.body.if_contains("stream_options"); options != nullptr && options->is_object()) {
    out.script.include_usage = truth(options->get_object(), "include_usage");
  }
  out.script.choices = std::clamp<std::size_t>(positive(out.body, "n"), 1, 16);
  out.script.prompt_tokens = out.prompt.size() / 4 + 1;
  out.tokens_max = std::max(positive(out.body, "max_tokens"), positive(out.body, "max_completion_tokens"));
  return out;
}

ScriptRequest scan_request(Operation operation, std::string_view body) {
  const std::string_view front = body.substr(0, kScanBytes);
  const std::string_view back = body.size() > kScanBytes ? body.substr(body.size() - kScanBytes) : std::string_view();
  ScriptRequest out;
  out.operation = operation;
  const auto has = [&](std::string_view text) {
    return front.find(text) != std::string_view::npos || back.find(text) != std::string_view::npos;
  };
  for (const auto part : {front, back}) {
    if (const auto model = scanned_text(part, "\"model\":"); !model.empty()) out.model = model;
  }
  out.stream = has("\"stream\":true") || has("\"stream\": true");
  out.include_usage = has("\"include_usage\":true") || has("\"include_usage\": true");
  return out;
}

}  // namespace ragtime::load
