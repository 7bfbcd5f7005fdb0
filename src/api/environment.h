// Environment: what every handler works with: the modules below, the configuration, and what handlers share.
//
// Thread safety: constant after construction but for members that guard themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "api/blob_claims.h"
#include "api/limits.h"
#include "api/service.h"
#include "api/store_memory.h"
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
  Limiter limiter;
  StoreMemory stores;
  // Answers a POST to one of our routes, for a message of a WebSocket, whose opening was authenticated. Set once by
  // Service.
  std::function<Task<http::Response>(std::string_view pattern, http::Request& request, RequestContext& context)> post;
  std::string openapi_json;  // Filled once by Service.
  std::string docs_html;

  // Runs a look-up on the blocking pool. One that has not begun within the database's timeout is unavailable.
  template <class Job>
  Task<std::invoke_result_t<Job>> look_up(RequestContext& context, Job job) {
    RequestContext limited(context, context.deadline().sooner(config.database_timeout));
    auto result = co_await blocking.run(limited, std::move(job));
    const bool late = result.has_error() && result.error().code == ErrorCode::deadline_exceeded;
    if (late && context.check().has_value()) {
      co_return make_error(ErrorCode::unavailable, "The database did not answer in time.");
    }
    co_return result;
  }

  // Adds a request's stage timings to ragtime_stage_seconds; once, at its end.
  void observe_stages(RequestContext& context);
};

// A handler. Its error becomes the reply by the table in errors.h.
using Endpoint = Task<Result<http::Response>> (*)(Environment& env, http::Request& request, RequestContext& context);

}  // namespace ragtime::api
