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
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/client.h"
#include "llm/chat_body.h"
#include "llm/chat_model.h"
#include "llm/endpoint_pool.h"
#include "telemetry/metrics.h"

namespace ragtime::llm {

// Each counts by itself. The request's own deadline ends all of them.
struct GatewayTimeouts {
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds first_byte{10'000};   // Of a stream: from asking an endpoint to its reply's head.
  std::chrono::milliseconds first_token{60'000};  // Of a stream: from sending the request to the first output.
  std::chrono::milliseconds idle{30'000};         // Between two pieces of an answer.
  std::chrono::milliseconds answer{300'000};      // Of a whole answer: from sending the request to its first byte.
  std::chrono::milliseconds total{600'000};       // All attempts and fallbacks together.
  std::chrono::milliseconds tail{1'000};          // What may come after the last finish_reason: usage and "[DONE]".
};

struct GatewayRetry {
  std::size_t attempts_max = 2;     // Requests to the endpoints of one model, the first included.
  std::size_t budget_percent = 20;  // Retries among the requests of the last ten seconds, but ten; 0: never any.
  std::chrono::milliseconds pause_first{100};  // Before the same endpoint is asked again; doubles, with jitter.
  std::chrono::milliseconds pause_max{2'000};
  std::chrono::milliseconds retry_after_max{10'000};      // A longer Retry-After is not waited for.
  std::chrono::milliseconds retry_after_fallback{1'000};  // The same while there is a fallback.
};

struct GatewayModel {
  EndpointPool* pool = nullptr;  // Names the model; outlives the gateway.
  GatewayTimeouts timeouts;
  GatewayRetry retry;
  std::vector<std::string> fallbacks;  // Other models of the gateway, in order.
  bool hedge = false;                  // Ask a second endpoint when the first token takes longer than usual.
  bool coalesce = false;  // Identical whole requests of a tenant that run at the same time share one answer.
};

enum class GatewayApi : std::uint8_t { chat_completions, completions };

struct GatewayRequest {
  std::string model;  // The name of a configured chat model.
  // The client's JSON object. "model" is replaced by the endpoint's name for it, and usage is asked for on streams;
  // every other byte goes to the upstream unchanged.
  std::string body;
  bool buffered = false;  // Hold a stream back until it is complete, so that a cut one can be replaced.
  Priority priority = Priority::normal;
  GatewayApi api = GatewayApi::chat_completions;
  bool coalesce = false;           // As GatewayModel::coalesce, for this request.
  std::optional<ChatBody> parsed;  // What read_chat_body(body) gave, if the caller has it already.
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

// `models` have different names; those in `fallbacks` are among them. `client` and `metrics` outlive the gateway.
std::unique_ptr<Gateway> make_gateway(std::vector<GatewayModel> models, http::Client& client,
                                      telemetry::Metrics& metrics);

}  // namespace ragtime::llm
