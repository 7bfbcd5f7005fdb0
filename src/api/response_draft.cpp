#include "api/response_draft.h"

#include "api/errors.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

json::object usage_object(const llm::ChatUsage& usage) {
  json::object object;
  object["input_tokens"] = usage.prompt_tokens;
  object["input_tokens_details"] = json::object{{"cached_tokens", 0}, {"cache_write_tokens", 0}};
  object["output_tokens"] = usage.completion_tokens;
  object["output_tokens_details"] = json::object{{"reasoning_tokens", 0}};
  object["total_tokens"] = usage.prompt_tokens + usage.completion_tokens;
  return object;
}

// OpenAI's set for response.error.code.
std::string_view failure_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::resource_exhausted:
      return "rate_limit_exceeded";
    case ErrorCode::invalid_argument:
      return "invalid_prompt";
    default:
      return "server_error";
  }
}

}  // namespace

json::object ResponseDraft::object(std::string_view status) const {
  json::object object = fields;
  object["status"] = status;
  object["completed_at"] = nullptr;
  object["error"] = nullptr;
  object["incomplete_details"] = nullptr;
  object["output"] = json::array();
  object["usage"] = nullptr;
  return object;
}

json::object ResponseDraft::search_item(std::string_view status, const std::vector<std::string>& queries,
                                        const engine::SearchResults* results) const {
  json::object item;
  item["id"] = search_item_id;
  item["type"] = "file_search_call";
  item["status"] = status;
  item["queries"] = json::array(queries.begin(), queries.end());
  item["results"] = nullptr;
  if (include_results && results) {
    json::array list;
    for (const engine::SearchHit& hit : results->hits) list.push_back(file_search_result_object(hit));
    item["results"] = std::move(list);
  }
  return item;
}

json::object ResponseDraft::message_item(std::string_view status, json::array content) const {
  json::object item;
  item["id"] = message_item_id;
  item["type"] = "message";
  item["status"] = status;
  item["role"] = "assistant";
  item["content"] = std::move(content);
  return item;
}

json::object output_text_part(std::string_view text, json::array annotations) {
  json::object part;
  part["type"] = "output_text";
  part["text"] = text;
  part["annotations"] = std::move(annotations);
  part["logprobs"] = json::array();
  return part;
}

std::string_view final_status(llm::FinishReason reason) {
  const bool early = reason == llm::FinishReason::length || reason == llm::FinishReason::content_filter;
  return early ? "incomplete" : "completed";
}

json::object finished_response(const ResponseDraft& draft, const rag::Answer& answer, json::array output,
                               std::int64_t now) {
  json::object object = draft.object(final_status(answer.finish_reason));
  if (final_status(answer.finish_reason) == "completed") {
    object["completed_at"] = now;
  } else {
    const bool length = answer.finish_reason == llm::FinishReason::length;
    object["incomplete_details"] = json::object{{"reason", length ? "max_output_tokens" : "content_filter"}};
  }
  object["output"] = std::move(output);
  object["usage"] = usage_object(answer.usage);
  return object;
}

json::object failed_response(const ResponseDraft& draft, const Error& error, json::array output) {
  json::object object = draft.object("failed");
  json::object failure;
  failure["code"] = failure_code(error.code);
  failure["message"] = error_object(error)["message"];
  object["error"] = std::move(failure);
  object["output"] = std::move(output);
  return object;
}

json::array output_items(const ResponseDraft& draft, const rag::Answer& answer, bool searched) {
  json::array annotations;
  for (const rag::Citation& citation : answer.citations) annotations.push_back(citation_object(citation));
  json::array content;
  content.push_back(output_text_part(answer.text, std::move(annotations)));
  json::array items;
  if (searched) items.push_back(draft.search_item("completed", answer.queries, &answer.search));
  items.push_back(draft.message_item(final_status(answer.finish_reason), std::move(content)));
  return items;
}

}  // namespace ragtime::api
