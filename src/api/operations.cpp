// Health, metrics, status, and the description of the API itself.
#include "api/endpoints.h"
#include "api/reply.h"

namespace ragtime::api {

Task<Result<http::Response>> get_health(Environment&, http::Request&, RequestContext&) {
  co_return json_text_reply(R"({"status":"ok"})");
}

Task<Result<http::Response>> get_readiness(Environment& env, http::Request&, RequestContext&) {
  const bool ready = !env.ready || env.ready();
  co_return json_text_reply(ready ? R"({"status":"ready"})" : R"({"status":"not_ready"})", ready ? 200 : 503);
}

Task<Result<http::Response>> get_metrics(Environment& env, http::Request&, RequestContext&) {
  co_return text_reply("text/plain; version=0.0.4; charset=utf-8", env.metrics.render());
}

Task<Result<http::Response>> get_status(Environment& env, http::Request&, RequestContext& context) {
  const auto report = [&env]() -> Result<std::string> { return env.status ? env.status() : std::string("{}"); };
  RAGTIME_CO_TRY(std::string text, co_await env.blocking.run(context, report));
  co_return json_text_reply(std::move(text));
}

Task<Result<http::Response>> get_openapi(Environment& env, http::Request&, RequestContext&) {
  co_return json_text_reply(env.openapi_json);
}

Task<Result<http::Response>> get_docs(Environment& env, http::Request&, RequestContext&) {
  http::Response response = text_reply("text/html; charset=utf-8", env.docs_html);
  response.headers.set("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'");
  co_return response;
}

}  // namespace ragtime::api
