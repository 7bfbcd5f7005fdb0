#include "api/response_request.h"

#include <fmt/format.h>

#include "api/answering.h"
#include "api/conversation.h"
#include "api/file_search.h"
#include "api/filters.h"
#include "base/id.h"

namespace ragtime::api {
namespace {

constexpr std::int64_t kTokensMax = 10'000'000;

void refuse_unsupported(const JsonNode& root) {
  if (root["background"].boolean_or(false)) root["background"].reject("'background' is not supported yet.");
  if (root["top_logprobs"].optional_integer(0, 20).value_or(0) != 0) {
    root["top_logprobs"].reject("'top_logprobs' are not supported.");
  }
  if (root["conversation"].present()) {
    root["conversation"].reject("'conversation' is not supported yet; use 'previous_response_id'.");
  }
  for (const std::string_view name : {"prompt", "context_management"}) {
    if (root[name].present()) root[name].reject(fmt::format("'{}' is not supported.", name));
  }
}

bool read_include(const JsonNode& include) {
  bool results = false;
  for (const JsonNode& item : include.items(32)) {
    const std::string value =
        item.choice({"file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
                     "message.input_image.image_url", "computer_call_output.output.image_url",
                     "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs"});
    if (value == "file_search_call.results") results = true;
    if (value == "message.output_text.logprobs") item.reject("'message.output_text.logprobs' is not supported.");
  }
  return results;
}

// text.format in the shape that chat completions have for it; empty for plain text.
json::object read_format(const JsonNode& format) {
  json::object out;
  if (!format.present()) return out;
  const std::string type = format["type"].choice({"text", "json_object", "json_schema"});
  if (type == "text") return out;
  out["type"] = type;
  if (type == "json_object") return out;
  format["name"].string(64);
  json::object schema = pass_through(format, {"name", "description", "schema", "strict"});
  out["json_schema"] = std::move(schema);
  return out;
}

llm::ChatRequest read_response_sampling(const JsonNode& root, const json::object& format) {
  llm::ChatRequest sampling;
  read_sampling(root, sampling);
  sampling.tokens_max = root["max_output_tokens"].optional_integer(1, kTokensMax);
  json::object extra = pass_through(root, {"user", "safety_identifier", "prompt_cache_key"});
  if (!format.empty()) extra["response_format"] = format;
  if (auto effort = root["reasoning"]["effort"].optional_string()) extra["reasoning_effort"] = *effort;
  if (auto verbosity = root["text"]["verbosity"].optional_string()) extra["verbosity"] = *verbosity;
  sampling.extra_json = extra_json_text(extra);
  return sampling;
}

json::value value_or(const JsonNode& node, json::value fallback) {
  return node.present() ? node.value() : fallback;
}

json::value default_text() {
  json::object format;
  format["type"] = "text";
  json::object text;
  text["format"] = std::move(format);
  return text;
}

json::value default_reasoning() {
  json::object reasoning;
  reasoning["effort"] = nullptr;
  reasoning["summary"] = nullptr;
  return reasoning;
}

// The request's own parameters, as the response object repeats them.
json::object echoed_fields(const JsonNode& root) {
  json::object out;
  out["background"] = false;
  out["instructions"] = value_or(root["instructions"], nullptr);
  out["max_output_tokens"] = value_or(root["max_output_tokens"], nullptr);
  out["max_tool_calls"] = value_or(root["max_tool_calls"], nullptr);
  out["metadata"] = value_or(root["metadata"], json::object());
  out["parallel_tool_calls"] = value_or(root["parallel_tool_calls"], true);
  out["previous_response_id"] = value_or(root["previous_response_id"], nullptr);
  out["prompt_cache_key"] = value_or(root["prompt_cache_key"], nullptr);
  out["reasoning"] = value_or(root["reasoning"], default_reasoning());
  out["safety_identifier"] = value_or(root["safety_identifier"], nullptr);
  out["service_tier"] = "default";
  out["store"] = value_or(root["store"], true);
  out["temperature"] = value_or(root["temperature"], 1.0);
  out["text"] = value_or(root["text"], default_text());
  out["tool_choice"] = value_or(root["tool_choice"], "auto");
  out["tools"] = value_or(root["tools"], json::array());
  out["top_logprobs"] = 0;
  out["top_p"] = value_or(root["top_p"], 1.0);
  out["truncation"] = value_or(root["truncation"], "disabled");
  out["user"] = value_or(root["user"], nullptr);
  return out;
}

void check_plain_fields(const JsonNode& root) {
  read_metadata(root["metadata"]);
  root["max_tool_calls"].optional_integer(1, kTokensMax);
  root["parallel_tool_calls"].optional_boolean();
  if (root["truncation"].present()) root["truncation"].choice({"auto", "disabled"});
  for (const std::string_view name : {"user", "safety_identifier", "prompt_cache_key", "service_tier"}) {
    root[name].optional_string();
  }
}

ResponseDraft make_draft(const Environment& env, const JsonNode& root) {
  ResponseDraft draft;
  draft.id = make_id("resp_");
  draft.search_item_id = make_id("fs_");
  draft.message_item_id = make_id("msg_");
  draft.include_results = read_include(root["include"]);
  draft.fields["id"] = draft.id;
  draft.fields["object"] = "response";
  draft.fields["created_at"] = env.clock.unix_seconds();
  for (auto& field : echoed_fields(root)) draft.fields[field.key()] = std::move(field.value());
  return draft;
}

}  // namespace

Result<std::shared_ptr<ResponseJob>> read_response_request(const Environment& env, const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  auto job = std::make_shared<ResponseJob>();
  job->input_items = read_input_items(root["input"]);
  job->model_text = root["model"].optional_string().value_or("");
  job->previous_response_id = root["previous_response_id"].optional_string().value_or("");
  job->stream = root["stream"].boolean_or(false);
  job->store = root["store"].boolean_or(true);
  refuse_unsupported(root);
  check_plain_fields(root);
  const json::object format = read_format(root["text"]["format"]);
  job->structured = !format.empty();
  job->answer.sampling = read_response_sampling(root, format);
  job->answer.instructions = root["instructions"].optional_string().value_or("");
  job->answer.search = read_tools(root["tools"], root["tool_choice"]);
  job->draft = make_draft(env, root);
  RAGTIME_TRY_DONE(document.status());
  return job;
}

}  // namespace ragtime::api
