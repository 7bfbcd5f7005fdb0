// Gateway: relays a client's request to the pool of a configured model, and the answer back as it came.
//
// Before the commit point (the first real output: text, reasoning or a tool call) every fault is survived if anything
// can: the next endpoint, then the model's fallbacks, within the attempts, the retry budget and the time limits.
// Frames that arrive before it are held back. After it the bytes are relayed unchanged, and a stream that ends without
// a finish_reason for every choice is an error, never an end.
// Thread safety: Gateway may be used from any thread; a GatewayStream belongs to one request.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "llm/chat_model.h"
#include "llm/endpoint_pool.h"

namespace ragtime::llm {

struct GatewayRequest {
  std::string model;  // The name of a configured chat model.
  // The client's JSON object. "model" is replaced by the endpoint's name for it, and usage is asked for on streams;
  // every other byte goes to the upstream unchanged.
  std::string body;
  bool buffered = false;  // Hold a stream back until it is complete, so that a cut one can be replaced.
  Priority priority = Priority::normal;
};

// What happened, for headers, timings and logs. Complete once the stream has ended.
struct GatewayReport {
  std::string model;                  // The configured model that answered: the one asked for or a fallback.
  std::string endpoint_url;           // Who answered.
  std::size_t attempts = 0;           // Requests sent upstream.
  std::vector<std::string> degraded;  // For example "model:chat→backup".
  std::optional<ChatUsage> usage;     // As reported by the upstream.
  std::chrono::milliseconds first_token{0};
};

// A committed answer. Destroying it early closes the upstream connection at once.
class GatewayStream {
 public:
  virtual ~GatewayStream() = default;
  virtual int status() const = 0;
  virtual std::string_view content_type() const = 0;
  // The next bytes for the client; empty at the proper end.
  // Errors: unavailable (the upstream cut its answer or reported an error), deadline_exceeded, cancelled.
  virtual Task<Result<std::string>> read_some(RequestContext& context) = 0;
  virtual const GatewayReport& report() const = 0;
};

class Gateway {
 public:
  virtual ~Gateway() = default;

  virtual bool has_model(std::string_view name) const = 0;
  // Success once the answer is committed: a stream's first output, a whole answer, or an upstream's 4xx that is about
  // the client's request and is relayed as it came. Errors: not_found (model), invalid_argument (body),
  // resource_exhausted with retry_after, unavailable (nothing could answer), deadline_exceeded, cancelled.
  virtual Task<Result<std::unique_ptr<GatewayStream>>> chat(GatewayRequest request, RequestContext& context) = 0;
};

}  // namespace ragtime::llm
