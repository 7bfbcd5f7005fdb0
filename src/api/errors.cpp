#include "api/errors.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "api/json_text.h"
#include "text/utf8.h"

namespace ragtime::api {
namespace {

constexpr std::string_view kDefectMessage =
    "The server had an error while processing your request. Its log has the details under this x-request-id.";

constexpr std::string_view kDamageMessage =
    "Stored data is damaged. The server's log has the details under this x-request-id; `ragtime doctor` checks the data.";

constexpr std::chrono::milliseconds kRetryAfterDefault{1000};

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::string(text);
}

// Messages may repeat what a path or a header said, which need not be UTF-8 as JSON must.
std::string as_utf8(std::string_view bytes) {
  std::string out;
  for (std::size_t position = 0; position < bytes.size();) {
    const std::size_t begin = position;
    text::next_code_point(bytes, position);
    const std::string_view piece = bytes.substr(begin, position - begin);
    out += text::is_valid_utf8(piece) ? piece : std::string_view("\xEF\xBF\xBD");
  }
  return out;
}

// What is wrong on the server is its operator's business: such messages have paths in them.
std::string message_of(const Error& error) {
  if (error.code == ErrorCode::internal) return std::string(kDefectMessage);
  if (error.code == ErrorCode::corrupt) return std::string(kDamageMessage);
  return as_utf8(error.message);
}

std::string_view code_of(const Error& error) {
  if (error.code == ErrorCode::not_found && error.param == "model") return "model_not_found";
  return shape_of(error.code).code;
}

std::string_view type_of_status(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found";
    case 429:
      return "too_many_requests";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

// Whole seconds for everybody, milliseconds for OpenAI's clients.
void set_retry_after(http::Response& response, std::optional<std::chrono::milliseconds> wait) {
  const auto ms = std::max<std::int64_t>(1, wait.value_or(kRetryAfterDefault).count());
  response.headers.set("retry-after", std::to_string((ms + 999) / 1000));
  if (wait) response.headers.set("retry-after-ms", std::to_string(ms));
}

http::Response make_response(int status, const Error& cause, json::object error, RetryAdvice retry) {
  json::object body;
  body["error"] = std::move(error);
  http::Response response;
  response.status = status;
  response.headers.set("content-type", "application/json");
  if (status == 429 || status == 503) set_retry_after(response, cause.retry_after);
  if (status == 401) response.headers.set("www-authenticate", "Bearer");
  if (retry != RetryAdvice::unsaid)
    response.headers.set("x-should-retry", retry == RetryAdvice::yes ? "true" : "false");
  response.body = json_text(body);
  return response;
}

}  // namespace

ErrorShape shape_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return {400, "invalid_request_error", "", RetryAdvice::unsaid};
    case ErrorCode::unauthenticated:
      return {401, "authentication_error", "invalid_api_key", RetryAdvice::unsaid};
    case ErrorCode::permission_denied:
      return {403, "permission_error", "insufficient_permissions", RetryAdvice::unsaid};
    case ErrorCode::not_found:
      return {404, "not_found", "", RetryAdvice::unsaid};
    case ErrorCode::conflict:
      return {409, "conflict", "conflict", RetryAdvice::no};
    case ErrorCode::too_large:
      return {413, "invalid_request_error", "request_too_large", RetryAdvice::unsaid};
    case ErrorCode::unsupported:
      return {415, "invalid_request_error", "unsupported", RetryAdvice::unsaid};
    case ErrorCode::resource_exhausted:
      return {429, "too_many_requests", "rate_limit_exceeded", RetryAdvice::yes};
    case ErrorCode::unavailable:
      return {503, "server_error", "unavailable", RetryAdvice::yes};
    case ErrorCode::deadline_exceeded:
      return {504, "server_error", "timeout", RetryAdvice::no};
    case ErrorCode::cancelled:
      return {499, "server_error", "cancelled", RetryAdvice::no};
    case ErrorCode::corrupt:
      return {500, "server_error", "corrupt", RetryAdvice::no};
    case ErrorCode::internal:
      return {500, "server_error", "internal_error", RetryAdvice::no};
  }
  return {500, "server_error", "internal_error", RetryAdvice::no};
}

json::object error_object(const Error& error) {
  json::object object;
  object["message"] = message_of(error);
  object["type"] = json::string(shape_of(error.code).type);
  object["param"] = text_or_null(error.param);
  object["code"] = text_or_null(code_of(error));
  return object;
}

http::Response error_response(const Error& error) {
  const ErrorShape shape = shape_of(error.code);
  return make_response(shape.status, error, error_object(error), shape.retry);
}

http::Response error_response(int status, const Error& error) {
  json::object object = error_object(error);
  object["type"] = json::string(type_of_status(status));
  if (status != shape_of(error.code).status) object["code"] = nullptr;
  return make_response(status, error, std::move(object), status == 500 ? RetryAdvice::no : RetryAdvice::unsaid);
}

}  // namespace ragtime::api
