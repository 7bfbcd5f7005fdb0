// One JSON call to the pool of a model: POST, on failure again elsewhere, and errors in our terms. Private to llm.
//
// Asking a model for embeddings or scores changes nothing there, so every failure may be repeated: at once at another
// endpoint, after a growing wait when all have been tried, within the attempts, the quota of retries and the time limits.
// Each attempt is a lease, so that these calls count like any other load.
// Thread safety: as the pool and http::Client.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/client.h"
#include "llm/endpoint_pool.h"
#include "llm/retry_policy.h"

namespace ragtime::llm {

struct RemoteCallConfig {
  std::string name;                                 // What our clients call the model.
  std::chrono::milliseconds first_byte{60'000};     // Of one attempt, from the request to the head of the answer.
  std::chrono::milliseconds total{60'000};          // Of the call, retries and waits included.
  int retries_max = 2;                              // After the first attempt.
  std::chrono::milliseconds backoff{250};           // Before asking an endpoint again; doubles. Retry-After wins.
};

// All outlive the calls.
struct RemoteCallParts {
  EndpointPool& pool;
  RetryQuota& quota;
  http::Client& client;
};

struct RemoteRequest {
  std::string path;                                                // Behind the base URL, for example "embeddings".
  std::function<std::string(const std::string& model)> body_of;    // JSON, for what the endpoint calls the model.
  std::size_t tokens = 0;                                          // Estimated.
};

// Takes the answer apart; an error means that it cannot be used, and is returned as it is.
using RemoteReader = std::function<Result<void>(const boost::json::value& answer)>;

// Errors: unavailable, resource_exhausted (429, or no endpoint has room), invalid_argument (other 4xx that the request
// caused), deadline_exceeded and cancelled (the caller's own); those of `read`.
Task<Result<void>> post_json(RemoteCallParts parts, const RemoteCallConfig& config, RemoteRequest request,
                             RemoteReader read, RequestContext& context);

// "the model server of 'NAME' WHAT", as unavailable: for answers that cannot be used.
Error bad_answer(const RemoteCallConfig& config, std::string_view what);

}  // namespace ragtime::llm
