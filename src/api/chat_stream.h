// ChatStream: an answer as chat.completion.chunk events, and the same answer as one chat.completion.
//
// A stream belongs to one request. Errors of the writer (the client is gone) stop the answer.
#pragma once

#include <cstdint>
#include <string>

#include "api/json_reader.h"
#include "http/message.h"
#include "rag/answer.h"

namespace ragtime::api {

struct ChatFrame {
  std::string id;  // "chatcmpl-…", the same in every chunk.
  std::int64_t created = 0;
  std::string model;
  bool include_usage = false;
};

json::object chat_usage_object(const llm::ChatUsage& usage);
json::object chat_completion_object(const ChatFrame& frame, const rag::Answer& answer);

class ChatStream final : public rag::AnswerEvents {
 public:
  ChatStream(ChatFrame frame, http::StreamWriter& writer) : frame_(std::move(frame)), writer_(writer) {}

  // The first chunk, with the role.
  Task<Result<void>> start();
  Task<Result<void>> on_search_start(const std::vector<std::string>& queries) override;
  Task<Result<void>> on_search_done(const engine::SearchResults& results) override;
  Task<Result<void>> on_delta(std::string_view text) override;
  Task<Result<void>> on_citation(const rag::Citation& citation) override;
  // The chunk with finish_reason and `ragtime`, the usage when asked for, and [DONE].
  Task<Result<void>> finish(const rag::Answer& answer, json::object ragtime);
  // An error instead of an end: no finish_reason follows.
  Task<Result<void>> fail(const Error& error);

 private:
  json::object chunk(json::object delta, json::value finish_reason) const;
  Task<Result<void>> send(json::object object);

  const ChatFrame frame_;
  http::StreamWriter& writer_;
};

}  // namespace ragtime::api
