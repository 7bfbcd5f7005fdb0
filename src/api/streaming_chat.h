// The messages of the /streaming routes, for server-sent events and for WebSocket alike: what a client sends, and the
// events of one answer, each a JSON object with a "type":
//
//   start · [metadata · search] · delta … with [citation] between · done | error
//
// Those in brackets only with metadata. A client that asked over WebSocket gets each as a text frame; over HTTP each is
// a `data:` line, and `[DONE]` follows the last.
// Thread safety: a job belongs to one request. Errors of the sink (the client is gone) stop the answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/environment.h"
#include "api/json_reader.h"
#include "api/stopwatch.h"
#include "rag/answer.h"

namespace ragtime::api {

inline constexpr std::size_t kSessionIdCharsMax = 256;

struct StreamingChatJob {
  Stopwatch total;
  std::string session_id;  // Given back; a client's name for the conversation.
  std::string user_id;
  std::string model_text;  // As in chat completions: a model, MODEL@STORE, or empty for the default.
  json::object metadata;   // Given back with metadata.
  bool with_metadata = false;
  std::shared_ptr<Limiter::Admission> admission;
  rag::AnswerRequest answer;  // A caller that keeps a conversation puts earlier messages before the one here.
};

// Takes the JSON text of one event.
using StreamingSink = std::function<Task<Result<void>>(std::string event)>;

// {"message", "session_id"?, "user_id"?, "metadata"?, "model"?, "vector_store_ids"?}
// Errors: invalid_argument with the field's path.
Result<std::shared_ptr<StreamingChatJob>> read_streaming_chat(std::string_view body, bool with_metadata);

// Chooses the model and checks the stores. Errors: not_found, and those of the database.
Task<Result<void>> prepare_streaming_chat(Environment& env, std::shared_ptr<StreamingChatJob> job,
                                          RequestContext& context);

// Answers a prepared job: every event but [DONE] goes to the sink, the last of them `done` or `error`. Returns the
// answer, for whoever keeps a conversation. After an error of the sink nothing more is sent.
Task<Result<rag::Answer>> run_streaming_chat(Environment& env, std::shared_ptr<StreamingChatJob> job,
                                             StreamingSink sink, RequestContext& context);

// {"type":"error","error":{…}}
std::string streaming_error_event(const Error& error);

}  // namespace ragtime::api
