// Environment: what every handler works with: the modules below, the configuration, and what handlers share.
//
// Thread safety: constant after construction but for members that guard themselves.
#pragma once

#include <cstdint>
#include <string>

#include "api/blob_claims.h"
#include "api/service.h"
#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/message.h"

namespace ragtime::api {

struct Environment : ServiceDependencies {
  Environment(ServiceConfig service_config, ServiceDependencies dependencies);

  const ServiceConfig config;
  const std::int64_t started_at;
  BlobClaims blob_claims;
  std::string openapi_json;  // Filled once by Service.
  std::string docs_html;

  // Adds a request's stage timings to ragtime_stage_seconds; once, at its end.
  void observe_stages(RequestContext& context);
};

// A handler. Its error becomes the reply by the table in errors.h.
using Endpoint = Task<Result<http::Response>> (*)(Environment& env, http::Request& request, RequestContext& context);

}  // namespace ragtime::api
