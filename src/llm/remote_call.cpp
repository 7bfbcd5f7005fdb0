#include "llm/remote_call.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>

#include "async/wait.h"
#include "llm/chat_stream.h"
#include "llm/upstream_fault.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr std::size_t kBodyBytesMax = 64u << 20;

http::ClientRequest http_request(const EndpointConfig& endpoint, const RemoteRequest& request) {
  http::ClientRequest out;
  out.method = "POST";
  out.url = endpoint.url + (endpoint.url.ends_with('/') ? "" : "/") + request.path;
  out.headers.set("Content-Type", "application/json");
  out.headers.set("Accept", "application/json");
  if (!endpoint.api_key.empty()) out.headers.set("Authorization", "Bearer " + endpoint.api_key);
  out.body = request.body_of(endpoint.model);
  return out;
}

bool refuses_our_key(int status) {
  return status == 401 || status == 403;
}

// Our key, address or model name: nothing in the caller's request can mend that, but another endpoint may have it right.
bool is_our_mistake(int status) {
  return refuses_our_key(status) || status == 404 || status == 405;
}

ErrorCode code_of_status(int status) {
  if (status == 429) return ErrorCode::resource_exhausted;
  const bool callers = status >= 400 && status < 500 && !is_our_mistake(status) && status != 408;
  return callers ? ErrorCode::invalid_argument : ErrorCode::unavailable;
}

// How one attempt ended.
struct Attempt {
  std::optional<Error> error;
  Outcome outcome = Outcome::completed;
  std::optional<milliseconds> retry_after;
  enum class Repeat { no, elsewhere, anywhere } repeat = Repeat::no;
};

class RemoteCall {
 public:
  RemoteCall(RemoteCallParts parts, const RemoteCallConfig& config, RemoteRequest request, RemoteReader read,
             RequestContext& context)
      : parts_(parts),
        config_(config),
        request_(std::move(request)),
        read_(std::move(read)),
        context_(context),
        total_(context, Deadline::after(config.total)),
        backoff_(config.backoff) {}

  Task<Result<void>> run() {
    parts_.quota.count_request();
    bool sent = false;
    for (int attempt = 0;; ++attempt) {
      if (sent && !parts_.quota.take_retry()) co_return give_up();
      auto lease = co_await acquire();
      if (lease.has_error()) {
        RAGTIME_CO_TRY_DONE(context_.check());
        const bool busy = lease.error().code == ErrorCode::resource_exhausted && lease.error().retry_after;
        const milliseconds wait = lease.error().retry_after.value_or(milliseconds(0));
        if (!error_) error_ = std::move(lease).error();
        if (!busy || attempt >= config_.retries_max || wait >= total_.deadline().remaining()) co_return give_up();
        co_await async::sleep_for(wait, total_);
        continue;
      }
      sent = true;
      Attempt ended = co_await send((*lease)->endpoint());
      (*lease)->finish(ended.outcome, ended.retry_after);
      if (!ended.error) co_return Result<void>();
      RAGTIME_CO_TRY_DONE(context_.check());
      error_ = std::move(ended.error);
      tried_.push_back((*lease)->endpoint().url);
      elsewhere_only_ = ended.repeat == Attempt::Repeat::elsewhere;
      if (ended.repeat == Attempt::Repeat::no || attempt >= config_.retries_max) co_return give_up();
    }
  }

 private:
  // Another endpoint at once, else any after a pause.
  Task<Result<std::unique_ptr<Lease>>> acquire() {
    Demand demand{.tokens = request_.tokens, .excluded_urls = tried_};
    auto lease = co_await parts_.pool.acquire(demand, total_);
    const bool none_left = lease.has_error() && lease.error().code == ErrorCode::unavailable;
    if (!none_left || tried_.empty() || elsewhere_only_) co_return lease;
    RAGTIME_CO_TRY_DONE(co_await async::sleep_for(std::exchange(backoff_, 2 * backoff_), total_));
    tried_.clear();
    demand.excluded_urls = tried_;
    co_return co_await parts_.pool.acquire(demand, total_);
  }

  Task<Attempt> send(const EndpointConfig& endpoint) {
    RequestContext head(total_, Deadline::after(config_.first_byte));
    auto opened = co_await parts_.client.open(http_request(endpoint, request_), head);
    if (opened.has_error()) co_return broken(opened.error());
    http::ClientStream& reply = **opened;
    std::string body;
    while (body.size() < kBodyBytesMax) {
      auto bytes = co_await reply.read_some(total_);
      if (bytes.has_error()) co_return broken(bytes.error());
      if (bytes->empty()) break;
      body += *bytes;
    }
    if (reply.status() != 200) co_return refused(reply, body);
    co_return understood(body);
  }

  // No answer, or a part of one.
  Attempt broken(const Error& error) const {
    if (context_.check().has_error()) return {error, Outcome::ignored, {}, Attempt::Repeat::no};
    if (error.code == ErrorCode::deadline_exceeded) {
      const auto again = total_.check().has_error() ? Attempt::Repeat::no : Attempt::Repeat::anywhere;
      return {bad_answer(config_, "did not answer within its time limit"), Outcome::failed, {}, again};
    }
    if (error.code != ErrorCode::unavailable) return {error, Outcome::ignored, {}, Attempt::Repeat::no};
    return {error, Outcome::failed, {}, Attempt::Repeat::anywhere};
  }

  Attempt refused(const http::ClientStream& reply, const std::string& body) const {
    const int status = reply.status();
    // Its own words may repeat the key.
    const std::string words = refuses_our_key(status) ? "it refuses the configured key" : upstream_message(body);
    Error error = bad_answer(config_, "answered " + std::to_string(status) + ": " + words);
    error.code = code_of_status(status);
    if (status == 429 || status == 503) {
      error.retry_after = retry_after_of(reply.headers());
      return {error, Outcome::overloaded, error.retry_after, Attempt::Repeat::anywhere};
    }
    if (status >= 500 || status == 408) return {error, Outcome::failed, {}, Attempt::Repeat::anywhere};
    if (is_our_mistake(status)) return {error, Outcome::failed, {}, Attempt::Repeat::elsewhere};
    return {error, Outcome::ignored, {}, Attempt::Repeat::no};
  }

  Attempt understood(const std::string& body) const {
    boost::system::error_code failure;
    const json::value answer = json::parse(body, failure);
    if (failure) {
      return {bad_answer(config_, "sent an answer that is not JSON"), Outcome::failed, {}, Attempt::Repeat::elsewhere};
    }
    if (auto read = read_(answer); read.has_error()) return {read.error(), Outcome::failed, {}, Attempt::Repeat::no};
    return {};
  }

  Error give_up() {
    if (error_->code == ErrorCode::deadline_exceeded) return bad_answer(config_, "did not answer within its time limit");
    return std::move(*error_);
  }

  RemoteCallParts parts_;
  const RemoteCallConfig& config_;
  const RemoteRequest request_;
  const RemoteReader read_;
  RequestContext& context_;
  RequestContext total_;
  milliseconds backoff_;
  std::vector<std::string> tried_;
  bool elsewhere_only_ = false;
  std::optional<Error> error_;  // Of the last attempt.
};

}  // namespace

Error bad_answer(const RemoteCallConfig& config, std::string_view what) {
  return make_error(ErrorCode::unavailable, "the model server of '" + config.name + "' " + std::string(what));
}

Task<Result<void>> post_json(RemoteCallParts parts, const RemoteCallConfig& config, RemoteRequest request,
                             RemoteReader read, RequestContext& context) {
  RemoteCall call(parts, config, std::move(request), std::move(read), context);
  co_return co_await call.run();
}

}  // namespace ragtime::llm
