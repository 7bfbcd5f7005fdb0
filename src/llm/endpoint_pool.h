// EndpointPool: the servers behind one configured model, and which of them takes the next request.
//
// A Lease accounts for one request from before it is sent until it has ended: its endpoint's requests and estimated
// tokens in flight rise when the lease is made and fall exactly once, on every path. What the lease reports drives
// ejection, gradual return and the concurrency limit. Polled figures of the servers (queue, cache use) refine the
// choice while they are fresh; without them the leases alone decide. The last endpoint is never ejected.
// Thread safety: every member of the pool may be called from any thread; a lease belongs to one request. The pool
// outlives its leases.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "llm/priority.h"

namespace ragtime::llm {

struct EndpointConfig {
  std::string url;      // Base, for example "http://127.0.0.1:9001/v1".
  std::string model;    // What the server calls the model.
  std::string api_key;  // Sent as a bearer token; empty: none.
  double weight = 1;    // Its share beside the others.
};

// What a request will cost and where it would like to go.
struct Demand {
  std::size_t tokens = 0;                      // Estimated, of prompt and answer.
  std::string_view prefix{};                   // What requests that share a prompt's beginning have in common.
  Priority priority = Priority::normal;        // Who leaves the queue first.
  std::span<const std::string> excluded_urls;  // Endpoints that this request has tried already.
};

// How a request ended, seen from its endpoint.
enum class Outcome : std::uint8_t {
  completed,   // Answered whole; a stream with its finish_reason.
  failed,      // No connection, 5xx, a time limit, a cut or broken answer.
  overloaded,  // 429 or 503: healthy, but full.
  ignored,     // Says nothing about the endpoint: the client left, or its request was wrong.
};

class Lease {
 public:
  virtual ~Lease() = default;  // finish(Outcome::ignored), unless finished.
  virtual const EndpointConfig& endpoint() const = 0;
  // The first output arrived this long after the request was sent.
  virtual void first_token(std::chrono::milliseconds after_send) = 0;
  // Ends the accounting. `retry_after`: the endpoint asked to be left alone that long. Idempotent.
  virtual void finish(Outcome outcome, std::optional<std::chrono::milliseconds> retry_after = {}) = 0;
};

class EndpointPool {
 public:
  virtual ~EndpointPool() = default;

  // Waits in a bounded queue with a short deadline while the endpoints are at their limits.
  // `demand` and what it points to live until the task ends.
  // Errors: resource_exhausted with retry_after (queue full, waited too long, or everybody asked to be left alone),
  // unavailable (every endpoint is excluded or ejected, or there is none), cancelled, deadline_exceeded.
  virtual Task<Result<std::unique_ptr<Lease>>> acquire(const Demand& demand, RequestContext& context) = 0;

  virtual const std::string& model() const = 0;  // The configured name.
  virtual std::size_t in_flight() const = 0;     // Leases that have not ended, of all endpoints.
};

// A pool of fixed endpoints with default settings (least_load); see balanced_pool.h for all there is to set.
std::unique_ptr<EndpointPool> make_endpoint_pool(std::string model, std::vector<EndpointConfig> endpoints);

}  // namespace ragtime::llm
