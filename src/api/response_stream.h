// ResponseStream: an answer as the events of /v1/responses, in the order that OpenAI's clients rely on:
//
//   created · in_progress · [file_search_call item: added, in_progress, searching, completed, done] ·
//   message item: added · content_part added · text deltas and annotations · text, part and item done ·
//   completed | incomplete | (error · failed) · [DONE]
//
// sequence_number counts 0, 1, 2 … without gaps; output_index follows the order of the added items.
// A stream belongs to one request. Errors of the writer (the client is gone) stop the answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "api/response_draft.h"
#include "http/message.h"
#include "rag/answer.h"

namespace ragtime::api {

class ResponseStream final : public rag::AnswerEvents {
 public:
  // `draft` outlives the stream.
  ResponseStream(const ResponseDraft& draft, http::StreamWriter& writer) : draft_(draft), writer_(writer) {}

  Task<Result<void>> start();
  Task<Result<void>> on_search_start(const std::vector<std::string>& queries) override;
  Task<Result<void>> on_search_done(const engine::SearchResults& results) override;
  Task<Result<void>> on_delta(std::string_view text) override;
  Task<Result<void>> on_citation(const rag::Citation& citation) override;

  // Ends the message; output() is whole afterwards. The events go out with the next ones.
  void close_message(llm::FinishReason reason);
  // Items that are done, in order.
  const json::array& output() const { return output_; }
  // The last event, named by the response's status, and [DONE].
  Task<Result<void>> finish(json::object response);
  Task<Result<void>> fail(const Error& error, json::object response);

 private:
  void emit(std::string_view type, json::object fields);
  void open_message();
  json::object place() const;
  Task<Result<void>> flush();

  const ResponseDraft& draft_;
  http::StreamWriter& writer_;
  std::string buffer_;
  std::int64_t sequence_ = 0;
  json::array output_;
  std::vector<std::string> queries_;
  bool message_open_ = false;
  std::string text_;
  json::array annotations_;
};

}  // namespace ragtime::api
