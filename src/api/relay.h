// Relaying of chat completions and completions to configured models: the upstream's bytes, the gateway's guarantees.
//
// Request headers: `X-Ragtime-Stream: buffered` holds a stream back until it is whole, `X-Ragtime-Coalesce: true` lets
// identical requests of a tenant share one answer, `X-Ragtime-Timings: true` asks for Server-Timing.
// Reply headers: x-ragtime-model, x-ragtime-attempts, and x-ragtime-degraded when a fallback answered.
#pragma once

#include <optional>

#include "api/environment.h"
#include "llm/gateway.h"

namespace ragtime::api {

struct RelayedRequest {
  llm::GatewayRequest asked;
  std::optional<rag::RouteChoice> route;  // When the client left the choice of the model to the server.
};

// The request for the gateway, with the body moved out of `request`. Nothing for requests that are answered here: over
// documents, by the built-in model, or with a mistake that the caller names.
std::optional<RelayedRequest> relayed_request(Environment& env, http::Request& request, llm::GatewayApi api);

// `request` is the client's, for its headers and its limits.
Task<Result<http::Response>> relay(Environment& env, RelayedRequest relayed, const http::Request& request,
                                   RequestContext& context);

}  // namespace ragtime::api
