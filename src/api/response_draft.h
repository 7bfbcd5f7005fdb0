// ResponseDraft: the response object of one POST /v1/responses, from the first event to the stored end.
//
// Pure but for ids; belongs to one request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "engine/engine.h"
#include "llm/chat_model.h"
#include "rag/answer.h"

namespace ragtime::api {

struct ResponseDraft {
  std::string id;               // "resp_…"
  std::string search_item_id;   // "fs_…"
  std::string message_item_id;  // "msg_…"
  bool include_results = false;
  json::object fields;  // Everything but status, output, usage, error: model, tools, metadata …

  // With the given status, an empty output and no usage.
  json::object object(std::string_view status) const;
  json::object search_item(std::string_view status, const std::vector<std::string>& queries,
                           const engine::SearchResults* results) const;
  json::object message_item(std::string_view status, json::array content) const;
};

json::object output_text_part(std::string_view text, json::array annotations);

// The end of an answer: "completed", or "incomplete" when the model stopped early.
std::string_view final_status(llm::FinishReason reason);
// The object at the end: status, usage, incomplete_details and the given output.
json::object finished_response(const ResponseDraft& draft, const rag::Answer& answer, json::array output,
                               std::int64_t now);
json::object failed_response(const ResponseDraft& draft, const Error& error, json::array output);
// The output items of an answer that was not streamed.
json::array output_items(const ResponseDraft& draft, const rag::Answer& answer, bool searched);

}  // namespace ragtime::api
