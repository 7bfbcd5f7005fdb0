// One JSON call to a model server: POST, retries with growing waits, and errors in our terms. Private to llm.
//
// Thread safety: as http::Client.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/client.h"

namespace ragtime::llm {

struct RemoteEndpoint {
  std::string name;                           // What our clients call the model.
  std::string url;                            // Base, for example "http://127.0.0.1:9001/v1".
  std::string model;                          // What the endpoint calls it.
  std::string api_key;                        // Empty: no Authorization header.
  std::chrono::milliseconds timeout{60'000};  // Of one call, retries included.
  int retries_max = 2;                        // After a lost connection, 429 and 5xx.
  std::chrono::milliseconds backoff{250};     // Before the first retry; doubles. Retry-After wins.
};

// The answer's JSON. Errors: unavailable, resource_exhausted (429), invalid_argument (other 4xx that the request
// caused), deadline_exceeded and cancelled (the caller's own).
Task<Result<boost::json::value>> post_json(http::Client& client, const RemoteEndpoint& endpoint, std::string path,
                                           std::string body, RequestContext& context);

// "the model server of 'NAME' WHAT", as unavailable: for answers that cannot be used.
Error bad_answer(const RemoteEndpoint& endpoint, std::string_view what);

}  // namespace ragtime::llm
