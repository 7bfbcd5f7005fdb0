#include <fmt/format.h>

#include "load/script_table.h"

namespace ragtime::load {
namespace {

void error(ReplyBuilder& b) {
  b.error(static_cast<int>(b.spec.number("status", 500)), "the engine failed", "server_error");
}

void bad_gateway(ReplyBuilder& b) {
  b.whole(502, "text/html", "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\r\n");
}

void unavailable(ReplyBuilder& b) {
  b.error(503, "no replica is ready", "service_unavailable");
}

void unavailable_retry(ReplyBuilder& b) {
  b.error(503, "the server is starting", "service_unavailable",
          fmt::format("Retry-After: {}\r\n", b.spec.number("seconds", 1)));
}

void overloaded(ReplyBuilder& b) {
  b.error(529, "overloaded", "overloaded_error");
}

void rate_limited(ReplyBuilder& b) {
  b.error(429, "too many requests", "rate_limit_error",
          fmt::format("Retry-After: {}\r\n", b.spec.text("seconds", "1")));
}

void rate_limited_ms(ReplyBuilder& b) {
  b.error(429, "too many requests", "rate_limit_error", fmt::format("retry-after-ms: {}\r\n", b.spec.number("ms", 50)));
}

void rate_limited_date(ReplyBuilder& b) {
  b.error(429, "too many requests", "rate_limit_error", "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n");
}

void rate_limited_bare(ReplyBuilder& b) {
  b.error(429, "too many requests", "rate_limit_error");
}

void context_length(ReplyBuilder& b) {
  b.whole(400, "application/json",
          error_json("This model's maximum context length is 4096 tokens; the request has 5000.",
                     "invalid_request_error", "context_length_exceeded"));
}

void content_filter(ReplyBuilder& b) {
  b.whole(400, "application/json",
          error_json("The prompt was filtered by the content policy.", "invalid_request_error", "content_filter"));
}

void bad_request(ReplyBuilder& b) {
  b.error(400, "a field is wrong", "invalid_request_error");
}

void unauthorized(ReplyBuilder& b) {
  b.error(401, "the key is not known", "authentication_error", "WWW-Authenticate: Bearer\r\n");
}

void model_not_found(ReplyBuilder& b) {
  b.whole(404, "application/json",
          error_json("The model does not exist.", "invalid_request_error", "model_not_found"));
}

void error_empty(ReplyBuilder& b) {
  b.whole(static_cast<int>(b.spec.number("status", 500)), "application/json", "");
}

void error_200(ReplyBuilder& b) {
  b.whole(200, "application/json", error_json("the engine failed", "server_error", "500"));
}

void not_json(ReplyBuilder& b) {
  b.whole(200, "application/json", "Service is warming up\n");
}

void html_200(ReplyBuilder& b) {
  b.whole(200, "text/html", "<html><body>Please log in</body></html>");
}

void empty_200(ReplyBuilder& b) {
  b.whole(200, "application/json", "");
}

void redirect(ReplyBuilder& b) {
  b.whole(307, "text/plain", "elsewhere\n", "Location: /elsewhere/chat/completions\r\n");
}

void redirect_loop(ReplyBuilder& b) {
  b.whole(307, "text/plain", "again\n",
          b.request.operation == Operation::chat ? "Location: /v1/chat/completions\r\n"
                                                 : "Location: /v1/completions\r\n");
}

constexpr ScriptEntry kEntries[] = {
    {{"error", "an OpenAI error of any status, always", "status=500"}, error, error},
    {{"error-once", "that error for the first `n` requests of this script, then good answers", "n=1 status=500"},
     error,
     error},
    {{"flap", "up for a while, then 503 for a while, from the first request on", "up_ms=1000 down_ms=1000"},
     unavailable,
     unavailable},
    {{"error-empty", "an error status without a body", "status=500"}, error_empty, error_empty},
    {{"bad-gateway", "502 with a page of HTML", ""}, bad_gateway, bad_gateway},
    {{"unavailable", "503", ""}, unavailable, unavailable},
    {{"unavailable-retry", "503 with Retry-After", "seconds=1"}, unavailable_retry, unavailable_retry},
    {{"overloaded", "529", ""}, overloaded, overloaded},
    {{"rate-limited", "429 with Retry-After in seconds", "seconds=1"}, rate_limited, rate_limited},
    {{"rate-limited-ms", "429 with retry-after-ms", "ms=50"}, rate_limited_ms, rate_limited_ms},
    {{"rate-limited-date", "429 with Retry-After as a date far away", ""}, rate_limited_date, rate_limited_date},
    {{"rate-limited-bare", "429 that does not say when to retry", ""}, rate_limited_bare, rate_limited_bare},
    {{"context-length", "400, the prompt is too long", ""}, context_length, context_length},
    {{"content-filter", "400, the prompt was filtered", ""}, content_filter, content_filter},
    {{"bad-request", "400", ""}, bad_request, bad_request},
    {{"unauthorized", "401", ""}, unauthorized, unauthorized},
    {{"model-not-found", "404", ""}, model_not_found, model_not_found},
    {{"error-200", "200 whose body is an error object", ""}, error_200, error_200},
    {{"not-json", "200 as application/json whose body is not JSON", ""}, not_json, not_json},
    {{"html-200", "200 with a page of HTML", ""}, html_200, html_200},
    {{"empty-200", "200 with an empty body", ""}, empty_200, empty_200},
    {{"redirect", "307 to a path that does not exist", ""}, redirect, redirect},
    {{"redirect-loop", "307 to itself", ""}, redirect_loop, redirect_loop},
};

}  // namespace

std::span<const ScriptEntry> status_scripts() {
  return kEntries;
}

}  // namespace ragtime::load
