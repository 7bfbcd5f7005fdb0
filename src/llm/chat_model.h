// ChatModel: the seam to a language model that answers a conversation, streamed.
//
// Thread safety: every member may be called from any thread; a ChatSink is called from one coroutine at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "llm/priority.h"

namespace ragtime::llm {

struct ChatMessage {
  std::string role;  // system, user, assistant, tool
  std::string content;
};

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<std::int64_t> tokens_max;
  std::vector<std::string> stop;
  std::optional<std::int64_t> seed;
  // Further fields of the client's request that the upstream understands, as JSON text of one object; may be empty.
  std::string extra_json;
  Priority priority = Priority::normal;  // Among those that wait for the model.
};

struct ChatUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  bool estimated = false;  // The upstream sent none.
};

enum class FinishReason { stop, length, content_filter, tool_calls };

struct ChatOutcome {
  FinishReason finish_reason = FinishReason::stop;
  ChatUsage usage;
  std::string model;                  // Which one answered, when another stood in; may be empty.
  std::vector<std::string> degraded;  // What a fallback replaced.
};

// The `param` of an error that says that a model server was too slow: the configuration's key.
inline constexpr std::string_view kTimeLimit = "timeouts";

// Receives the text as it comes. Returning an error stops the model.
using ChatSink = std::function<Task<Result<void>>(std::string_view delta)>;

class ChatModel {
 public:
  virtual ~ChatModel() = default;
  virtual const std::string& name() const = 0;

  // Success only after the upstream ended its answer properly (finish_reason seen); a cut stream is unavailable.
  // Errors: unavailable (also a time limit of ours, and a key, address or model name that the upstream refuses),
  // resource_exhausted (upstream 429), invalid_argument (other upstream 4xx, with its message), deadline_exceeded and
  // cancelled (the caller's own), internal.
  virtual Task<Result<ChatOutcome>> answer(ChatRequest request, ChatSink sink, RequestContext& context) = 0;
};

}  // namespace ragtime::llm
