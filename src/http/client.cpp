#include "http/client.h"

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>

#include "http/client_stream.h"
#include "http/connection.h"
#include "http/guard.h"
#include "http/resolve.h"
#include "http/url.h"

namespace ragtime::http {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

constexpr std::size_t kOriginsMax = 1024;
constexpr std::size_t kTargetsMax = 256;
constexpr std::size_t kTargetBytesMax = 1024;  // Longer URLs are not kept.

// Where a URL leads.
struct Target {
  std::shared_ptr<const Url> url;
  std::shared_ptr<Origin> origin;
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

struct Client::State {
  State(ClientConfig value, telemetry::Metrics* registry) : config(std::move(value)), metrics(registry) {}

  Result<asio::ssl::context*> tls();
  Result<Target> target(const std::string& url);
  Task<Result<std::unique_ptr<Connection>>> connect(Target target, std::chrono::milliseconds limit,
                                                    RequestContext& context);
  // One request and the head of its reply, without following redirects.
  static Task<Result<std::unique_ptr<ClientStream>>> exchange(std::shared_ptr<State> state,
                                                              const ClientRequest& request, RequestContext& context);

  const ClientConfig config;
  telemetry::Metrics* const metrics;

 private:
  std::mutex mutex_;
  std::optional<asio::ssl::context> tls_;  // Made on first use; then constant. Guarded by mutex_.
  // Connections are of one client, since another may trust other authorities. Guarded by mutex_.
  std::map<std::string, std::shared_ptr<Origin>> origins_;
  std::map<std::string, Target> targets_;  // By URL: most requests go to the same few. Guarded by mutex_.
};

Result<asio::ssl::context*> Client::State::tls() {
  const std::lock_guard lock(mutex_);
  if (tls_) return &*tls_;
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code error;
  context.set_default_verify_paths(error);
  context.set_verify_mode(asio::ssl::verify_peer, error);
  if (!config.ca_file.empty()) context.load_verify_file(config.ca_file, error);
  if (error) {
    return make_error(ErrorCode::unavailable,
                      "cannot read the authorities in " + config.ca_file + ": " + error.message());
  }
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  Connection::remember_sessions(context);
  tls_.emplace(std::move(context));
  return &*tls_;
}

Result<Target> Client::State::target(const std::string& url) {
  const std::lock_guard lock(mutex_);
  if (const auto found = targets_.find(url); found != targets_.end()) return found->second;
  RAGTIME_TRY(Url parsed, parse_url(url));
  const std::string name = parsed.origin();
  auto found = origins_.find(name);
  if (found == origins_.end()) {
    // What is forgotten lives on while it is in use.
    if (origins_.size() >= kOriginsMax) {
      origins_.erase(origins_.begin());
      targets_.clear();  // Two origins of one name would count apart.
    }
    found = origins_.emplace(name, std::make_shared<Origin>(name, config, metrics)).first;
  }
  Target out{std::make_shared<const Url>(std::move(parsed)), found->second};
  if (targets_.size() >= kTargetsMax) targets_.clear();
  if (url.size() <= kTargetBytesMax) targets_.emplace(url, out);
  return out;
}

Task<Result<std::unique_ptr<Connection>>> Client::State::connect(Target target, std::chrono::milliseconds limit,
                                                                 RequestContext& context) {
  const auto& [url, origin] = target;
  asio::ssl::context* authorities = nullptr;
  if (url->tls) {
    // Reading the system's authorities takes a while, once; that is not the peer's slowness.
    RAGTIME_CO_TRY(authorities, tls());
  }
  const auto started = steady_clock::now();
  if (limit.count() == 0) limit = origin->connect_limit();
  RequestContext connecting(context, context.deadline().sooner(limit));
  const auto failure = [&](const std::string& what) {
    if (auto alive = context.check(); alive.has_error()) return alive.error();
    if (connecting.deadline().expired()) origin->missed_connect();
    return make_error(ErrorCode::unavailable, url->origin() + ": " + what);
  };
  auto addresses = co_await resolve(*url, connecting);
  if (addresses.has_error()) co_return failure(addresses.error().message);
  const auto executor = co_await asio::this_coro::executor;
  auto connection = std::make_unique<Connection>(executor, origin);
  Guard guard(executor, [&connection] { connection->close(); });
  guard.follow(connecting);
  guard.expire_at(connecting.deadline().when());
  error_code error = co_await connection->connect(std::move(*addresses));
  if (!error && url->tls) error = co_await connection->start_tls(*authorities, url->host);
  if (error) co_return failure(guard.reason() ? "no connection in time" : "cannot connect: " + error.message());
  origin->connected(steady_clock::now() - started);
  origin->count_created();
  co_return connection;
}

Task<Result<std::unique_ptr<ClientStream>>> Client::State::exchange(std::shared_ptr<State> state,
                                                                    const ClientRequest& request,
                                                                    RequestContext& context) {
  RAGTIME_CO_TRY_DONE(context.check());
  RAGTIME_CO_TRY(const Target target, state->target(request.url));
  RAGTIME_CO_TRY(const std::string head, format_request_head(request, *target.url));
  const auto& origin = target.origin;
  const ClientExchange::Peer peer{std::shared_ptr<const ClientConfig>(state, &state->config), target.url, origin};
  RAGTIME_CO_TRY(auto permit, co_await origin->acquire(context));
  const auto executor = co_await asio::this_coro::executor;
  auto connection = ConnectionPool::of(executor).take(origin);
  bool reused = connection != nullptr;
  while (true) {
    if (!reused) {
      auto made = co_await state->connect(target, request.connect_timeout, context);
      if (made.has_error()) co_return std::move(made).error();
      connection = std::move(*made);
    }
    auto limit = request.first_byte_timeout;
    if (limit.count() == 0) limit = origin->first_byte_limit();
    auto stream = std::make_unique<ClientExchange>(executor, peer, std::move(connection), std::move(permit),
                                                   request.method == "HEAD");
    if (reused) stream->on_used_connection();
    auto started = co_await stream->start(head, request.body, limit, context);
    if (reused) origin->count_reused();
    if (started.has_value()) co_return std::unique_ptr<ClientStream>(std::move(stream));
    const bool repeat = reused && stream->may_be_repeated(is_idempotent(request.method));
    if (!repeat || started.error().code != ErrorCode::unavailable) co_return std::move(started).error();
    permit = stream->take_permit();
    reused = false;
  }
}

Client::Client(ClientConfig config, telemetry::Metrics* metrics)
    : state_(std::make_shared<State>(std::move(config), metrics)) {}
Client::~Client() = default;

Task<Result<std::unique_ptr<ClientStream>>> Client::open(ClientRequest request, RequestContext& context) {
  const auto state = state_;
  const int redirects_max = request.method == "GET" ? state->config.redirects_max : 0;
  for (int redirects = 0;; ++redirects) {
    auto stream = co_await State::exchange(state, request, context);
    if (stream.has_error() || redirects_max == 0 || !is_redirect((*stream)->status())) co_return stream;
    const auto location = (*stream)->headers().find("location");
    if (!location) co_return stream;
    if (redirects == redirects_max) {
      co_return make_error(ErrorCode::unavailable, request.url + " ends a chain of too many redirects");
    }
    RAGTIME_CO_TRY(auto next, resolve_url(request.url, *location));
    RAGTIME_CO_TRY(const Url from, parse_url(request.url));
    RAGTIME_CO_TRY(const Url to, parse_url(next));
    if (from.origin() != to.origin()) {
      for (const char* secret : {"authorization", "cookie", "host", "x-api-key"}) request.headers.remove(secret);
    }
    request.url = std::move(next);
  }
}

Task<Result<ClientResponse>> Client::send(ClientRequest request, RequestContext& context) {
  const std::size_t bytes_max = state_->config.body_bytes_max;
  auto stream = co_await open(std::move(request), context);
  if (stream.has_error()) co_return std::move(stream).error();
  ClientResponse response;
  response.status = (*stream)->status();
  response.headers = (*stream)->headers();
  while (true) {
    auto piece = co_await (*stream)->read_some(context);
    if (piece.has_error()) co_return std::move(piece).error();
    if (piece->empty()) co_return response;
    if (response.body.size() + piece->size() > bytes_max) {
      co_return make_error(ErrorCode::too_large, "the reply is over " + std::to_string(bytes_max) + " bytes");
    }
    response.body += *piece;
  }
}

}  // namespace ragtime::http
