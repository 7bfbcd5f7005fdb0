#include "api/service.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/authentication.h"
#include "api/docs_page.h"
#include "api/environment.h"
#include "api/errors.h"
#include "api/json_text.h"
#include "api/limits.h"
#include "api/openapi.h"
#include "api/routes.h"
#include "api/stream_buffer.h"
#include "base/check.h"

namespace ragtime::api {

struct Service::State {
  State(ServiceConfig config, ServiceDependencies dependencies)
      : env(std::move(config), std::move(dependencies)), authenticator(env) {
    const boost::json::object document = openapi_document(route_table(), env.config);
    env.openapi_json = json_text(document);
    env.docs_html = docs_page(route_table(), document);
    for (const RouteSpec& route : route_table()) scopes[route_key(route.method, route.pattern)] = route.scope;
  }

  static std::string route_key(std::string_view method, std::string_view pattern) {
    return fmt::format("{} {}", method, pattern);
  }

  // A route that is not in the table does not exist here; asking for the strongest scope is the safe answer.
  Scope scope_of(const http::Route& route) const {
    const auto found = scopes.find(route_key(route.method, route.pattern));
    return found == scopes.end() ? Scope::admin : found->second;
  }

  Environment env;
  Authenticator authenticator;
  std::map<std::string, Scope> scopes;
};

namespace {

void log_failure(Environment& env, const http::Request& request, const RequestContext& context, const Error& error) {
  if (shape_of(error.code).status < 500) return;
  env.log.error("request_failed", {{"request_id", std::string_view(context.request_id())},
                                   {"method", std::string_view(request.method)},
                                   {"path", std::string_view(request.path)},
                                   {"code", name(error.code)},
                                   {"message", std::string_view(error.message)}});
}

bool is_event_stream(const http::Response& response) {
  return response.stream && response.headers.find("content-type").value_or("").starts_with("text/event-stream");
}

void buffer_stream(const Environment& env, http::Response& response) {
  if (!is_event_stream(response)) return;
  response.stream = [config = env.config.stream, body = std::move(response.stream)](http::StreamWriter& client) {
    return stream_buffered(config, client, body);
  };
}

Task<http::Response> call_endpoint(Environment& env, Endpoint endpoint, http::Request& request,
                                   RequestContext& context) {
  auto result = co_await endpoint(env, request, context);
  if (result.has_error()) {
    log_failure(env, request, context, result.error());
    env.observe_stages(context);
    co_return error_response(result.error());
  }
  if (!result->stream) env.observe_stages(context);
  buffer_stream(env, *result);
  co_return std::move(*result);
}

// The server's own routes answer whatever the load is.
bool is_limited(const RouteSpec& spec) {
  return spec.tag != "Server";
}

TokenUse token_use(const RouteSpec& spec) {
  if (spec.method != "POST") return TokenUse::none;
  if (spec.kind == RouteKind::answer) return TokenUse::prompt_and_answer;
  const bool prompt = spec.pattern.ends_with("/embeddings") || spec.pattern.ends_with("/rerank");
  return prompt ? TokenUse::prompt : TokenUse::none;
}

Need need_of(const RouteSpec& spec, const http::Request& request, const Caller& caller) {
  Need need = estimate_need(request.body, token_use(spec));
  if (spec.pattern.starts_with("/streaming/")) need.stream = true;
  need.priority = allowed_priority(request, caller);
  return need;
}

Task<> stream_admitted(std::shared_ptr<Limiter::Admission> admission, std::function<Task<>(http::StreamWriter&)> body,
                       http::StreamWriter& writer) {
  co_await body(writer);
  admission->finish();
}

// A stream keeps its places until it has ended.
void finish_with(http::Response& response, std::shared_ptr<Limiter::Admission> admission) {
  if (!response.stream) {
    admission->finish();
    return;
  }
  response.stream = [admission = std::move(admission), body = std::move(response.stream)](http::StreamWriter& writer) {
    return stream_admitted(admission, body, writer);
  };
}

Task<http::Response> respond(Environment& env, const RouteSpec& spec, http::Request& request, RequestContext& context) {
  const auto account = std::static_pointer_cast<RequestAccount>(request.attachment);
  if (!account || !is_limited(spec)) co_return co_await call_endpoint(env, spec.endpoint, request, context);
  auto admission = co_await env.limiter.admit(account->caller, need_of(spec, request, account->caller), context);
  if (admission.has_error()) {
    http::Response refusal = error_response(admission.error());
    set_rate_headers(refusal.headers, env.limiter.rates(account->caller));
    co_return refusal;
  }
  account->admission = *admission;
  http::Response response = co_await call_endpoint(env, spec.endpoint, request, context);
  set_rate_headers(response.headers, env.limiter.rates(account->caller));
  account->admission.reset();
  finish_with(response, std::move(*admission));
  co_return response;
}

// A message of a WebSocket: whoever opened it asks, and every message is admitted for itself.
Task<http::Response> post(Environment& env, std::string_view pattern, http::Request& request, RequestContext& context) {
  const auto routes = route_table();
  const auto spec = std::ranges::find_if(
      routes, [&](const RouteSpec& each) { return each.method == "POST" && each.pattern == pattern; });
  RAGTIME_CHECK(spec != routes.end());
  if (const auto opening = std::static_pointer_cast<RequestAccount>(request.attachment)) {
    auto account = std::make_shared<RequestAccount>();
    account->caller = opening->caller;
    request.attachment = std::move(account);
  }
  co_return co_await respond(env, *spec, request, context);
}

Task<std::optional<http::Response>> admit(Authenticator& authenticator, Scope scope, http::Request& request,
                                          RequestContext& context) {
  auto caller = co_await authenticator.authenticate(request, scope, context);
  std::optional<http::Response> refusal;
  if (caller.has_error()) {
    refusal = error_response(caller.error());
  } else {
    auto account = std::make_shared<RequestAccount>();
    account->caller = std::move(*caller);
    request.attachment = std::move(account);
  }
  co_return refusal;
}

std::chrono::milliseconds timeout_of(const ServiceConfig& config, RouteKind kind) {
  switch (kind) {
    case RouteKind::plain:
      return config.request_timeout;
    case RouteKind::answer:
      return config.answer_timeout;
    case RouteKind::upload:
      return config.upload_timeout;
    case RouteKind::websocket:
      return config.websocket_timeout;
  }
  return config.request_timeout;
}

// Multipart framing around the file.
constexpr std::size_t kUploadOverheadBytes = 64u << 10;

}  // namespace

Service::Service(ServiceConfig config, ServiceDependencies dependencies)
    : state_(std::make_shared<State>(std::move(config), std::move(dependencies))) {
  state_->env.post = [&env = state_->env](std::string_view pattern, http::Request& request, RequestContext& context) {
    return post(env, pattern, request, context);
  };
}

Service::~Service() = default;

http::Router Service::router() {
  http::Router router;
  for (const RouteSpec& spec : route_table()) {
    const bool upload = spec.kind == RouteKind::upload;
    http::Route route;
    route.method = spec.method;
    route.pattern = spec.pattern;
    route.timeout = timeout_of(state_->env.config, spec.kind);
    route.body_mode = upload ? http::BodyMode::stream : http::BodyMode::memory;
    route.body_bytes_max =
        upload ? state_->env.config.file_bytes_max + kUploadOverheadBytes : state_->env.config.json_body_bytes_max;
    route.handler = [state = state_, &spec](http::Request& request, RequestContext& context) {
      return respond(state->env, spec, request, context);
    };
    router.add(std::move(route));
  }
  return router;
}

http::ServerHooks Service::hooks() {
  http::ServerHooks hooks;
  hooks.before = [state = state_](http::Request& request, const http::Route& route, RequestContext& context) {
    return admit(state->authenticator, state->scope_of(route), request, context);
  };
  hooks.error = [](int status, const Error& error) { return error_response(status, error); };
  return hooks;
}

std::string Service::openapi() const {
  return state_->env.openapi_json;
}

}  // namespace ragtime::api
