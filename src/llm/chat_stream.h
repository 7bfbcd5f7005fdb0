// ChatStream: what the events of one /chat/completions stream mean. Sans I/O.
//
// Feed it the `data` of each event in order, then ask finish(). Follows OpenAI's chunks with the habits of vLLM,
// llama.cpp and SGLang: role-only chunks, `choices: []` with usage after the finish_reason, error objects in the
// stream. Thread safety: belongs to one stream.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "llm/chat_model.h"

namespace ragtime::llm {

class ChatStream {
 public:
  // The text that this event adds, possibly empty.
  // Errors: unavailable for an error object, an answer that the server gave up, or an event that is not a chunk.
  Result<std::string> take(std::string_view data);
  bool done() const { return done_; }  // "[DONE]" was seen.

  // To be called when the stream has ended. Errors: unavailable when no finish_reason was seen: the answer was cut.
  Result<ChatOutcome> finish() const;

 private:
  Result<std::string> take_object(std::string_view json);

  bool done_ = false;
  std::optional<FinishReason> finish_reason_;
  ChatUsage usage_{.prompt_tokens = 0, .completion_tokens = 0, .estimated = true};
};

// The message of an OpenAI-style error body, or a part of the body itself.
std::string upstream_message(std::string_view body);

}  // namespace ragtime::llm
