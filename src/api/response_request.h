// What a POST /v1/responses asks for, read and checked.
#pragma once

#include <memory>
#include <string>

#include "api/environment.h"
#include "api/json_reader.h"
#include "api/response_draft.h"
#include "api/stopwatch.h"
#include "rag/answer.h"

namespace ragtime::api {

struct ResponseJob {
  Stopwatch total;
  ResponseDraft draft;
  std::string model_text;
  std::string previous_response_id;
  json::array input_items;  // Of this request; with those of the previous responses once they are known.
  bool stream = false;
  bool store = true;
  bool structured = false;  // text.format asks for JSON.
  std::shared_ptr<Limiter::Admission> admission;
  rag::AnswerRequest answer;
};

// Errors: invalid_argument with the field's path.
Result<std::shared_ptr<ResponseJob>> read_response_request(const Environment& env, const std::string& body);

}  // namespace ragtime::api
