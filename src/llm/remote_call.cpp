#include "llm/remote_call.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <boost/json/parse.hpp>

#include "async/wait.h"
#include "llm/chat_stream.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

http::ClientRequest http_request(const RemoteEndpoint& endpoint, const std::string& path, std::string body) {
  http::ClientRequest out;
  out.method = "POST";
  out.url = endpoint.url + (endpoint.url.ends_with('/') ? "" : "/") + path;
  out.headers.set("Content-Type", "application/json");
  out.headers.set("Accept", "application/json");
  if (!endpoint.api_key.empty()) out.headers.set("Authorization", "Bearer " + endpoint.api_key);
  out.body = std::move(body);
  return out;
}

bool is_passing(int status) {
  return status == 429 || status >= 500;
}

ErrorCode code_of_status(int status) {
  if (status == 429) return ErrorCode::resource_exhausted;
  // Our key, address or model name: nothing in the caller's request can mend that.
  const bool ours = status == 401 || status == 403 || status == 404 || status == 405 || status == 408;
  return status >= 400 && status < 500 && !ours ? ErrorCode::invalid_argument : ErrorCode::unavailable;
}

Error refusal(const RemoteEndpoint& endpoint, const http::ClientResponse& response) {
  const bool key = response.status == 401 || response.status == 403;
  // Its own words may repeat the key.
  const std::string words = key ? "it refuses the configured key" : upstream_message(response.body);
  Error error = bad_answer(endpoint, "answered " + std::to_string(response.status) + ": " + words);
  error.code = code_of_status(response.status);
  return error;
}

std::optional<milliseconds> retry_after(const http::Headers& headers) {
  const std::string_view text = headers.find("retry-after").value_or("");
  int seconds = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || status != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

Error bad_answer(const RemoteEndpoint& endpoint, std::string_view what) {
  return make_error(ErrorCode::unavailable, "the model server of '" + endpoint.name + "' " + std::string(what));
}

Task<Result<json::value>> post_json(http::Client& client, const RemoteEndpoint& endpoint, std::string path,
                                    std::string body, RequestContext& context) {
  RequestContext total(context, Deadline::after(endpoint.timeout));
  milliseconds wait = endpoint.backoff;
  for (int attempt = 0;; ++attempt, wait *= 2) {
    auto request = http_request(endpoint, path, body);
    auto response = co_await client.send(std::move(request), total);
    if (response.has_error()) {
      RAGTIME_CO_TRY_DONE(context.check());
      if (total.check().has_error()) co_return bad_answer(endpoint, "did not answer within its time limit");
      if (response.error().code != ErrorCode::unavailable || attempt >= endpoint.retries_max) {
        co_return response.error();
      }
    } else if (response->status == 200) {
      boost::system::error_code failure;
      json::value value = json::parse(response->body, failure);
      if (failure) co_return bad_answer(endpoint, "sent an answer that is not JSON");
      co_return value;
    } else if (!is_passing(response->status) || attempt >= endpoint.retries_max) {
      co_return refusal(endpoint, *response);
    }
    milliseconds pause = wait;
    if (response.has_value()) pause = retry_after(response->headers).value_or(wait);
    // Waiting past the end would only hide what the server said.
    if (response.has_value() && pause >= total.deadline().remaining()) co_return refusal(endpoint, *response);
    RAGTIME_CO_TRY_DONE(co_await async::sleep_for(pause, total));
  }
}

}  // namespace ragtime::llm
