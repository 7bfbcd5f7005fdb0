#include "http/client.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "async/wait.h"
#include "http/ascii.h"
#include "http/connection.h"
#include "http/response_parser.h"
#include "http/url.h"

namespace ragtime::http {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 16u << 10;

// Why an operation failed: the context's own end comes before what the socket said.
Error failure(const RequestContext& context, const Url& url, const std::string& what) {
  if (auto alive = context.check(); alive.has_error()) return alive.error();
  return make_error(ErrorCode::unavailable, url.origin() + ": " + what);
}

// Asio cannot interrupt a look-up that is on its way, so the wait for it is what ends in time.
struct LookUp {
  explicit LookUp(asio::any_io_executor executor) : resolver(executor), done(executor) {}
  tcp::resolver resolver;
  async::Event done;
  error_code error;
  std::vector<tcp::endpoint> addresses;
};

Task<Result<std::vector<tcp::endpoint>>> look_up(Url url, RequestContext& context) {
  const auto port = static_cast<std::uint16_t>(std::stoul(url.port));
  error_code not_numeric;
  const auto address = asio::ip::make_address(url.host, not_numeric);
  if (!not_numeric) {
    std::vector<tcp::endpoint> numeric;
    numeric.emplace_back(address, port);
    co_return numeric;
  }
  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<LookUp>(executor);
  lookup->resolver.async_resolve(url.host, url.port,
                                 [lookup](error_code error, const tcp::resolver::results_type& found) {
                                   lookup->error = error;
                                   for (const auto& entry : found) lookup->addresses.push_back(entry.endpoint());
                                   lookup->done.set();
                                 });
  auto waited = co_await lookup->done.wait(context);
  if (waited.has_error()) {
    lookup->resolver.cancel();
    co_return make_error(ErrorCode::unavailable, "no answer from the name server in time");
  }
  if (lookup->error) co_return make_error(ErrorCode::unavailable, "unknown host: " + lookup->error.message());
  co_return std::move(lookup->addresses);
}

Result<std::string> format_request(const ClientRequest& request, const Url& url) {
  const auto bad = [](std::string what) { return make_error(ErrorCode::invalid_argument, std::move(what)); };
  if (!is_token(request.method)) return bad("the method is not a token");
  std::string out = request.method + " " + url.target + " HTTP/1.1\r\n";
  if (!request.headers.find("host")) out += "Host: " + url.host_field() + "\r\n";
  if (!request.headers.find("user-agent")) out += "User-Agent: ragtime\r\n";
  for (const auto& [name, value] : request.headers.fields()) {
    if (!is_token(name) || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return bad("the header field \"" + name + "\" is malformed");
    }
    if (equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding")) continue;
    out += name + ": " + value + "\r\n";
  }
  const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT";
  if (has_body) out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  out += "\r\n";
  return out;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

struct Client::State {
  explicit State(ClientConfig value) : config(std::move(value)) {}

  Result<asio::ssl::context*> tls();
  Task<Result<std::unique_ptr<Connection>>> connect(Url url, RequestContext& context);
  // One request and the head of its reply, without following redirects. A connection from the pool that turns out to
  // be dead is replaced once, when the request may be repeated.
  static Task<Result<std::unique_ptr<ClientStream>>> exchange(std::shared_ptr<State> state,
                                                              const ClientRequest& request, RequestContext& context);

  std::string pool_key(const Url& url) const { return std::to_string(number) + " " + url.origin(); }

  const ClientConfig config;
  // Tells clients apart in a loop's pool: connections of one must not serve another that trusts other authorities.
  const std::uint64_t number = next_number();

 private:
  static std::uint64_t next_number() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }

  std::mutex tls_mutex_;
  std::optional<asio::ssl::context> tls_;  // Made on first use; then constant. Guarded by tls_mutex_.
};

namespace {

class Stream final : public ClientStream {
 public:
  Stream(std::shared_ptr<const ClientConfig> config, Url url, std::string pool_key,
         std::unique_ptr<Connection> connection, bool to_head)
      : config_(std::move(config)),
        url_(std::move(url)),
        pool_key_(std::move(pool_key)),
        connection_(std::move(connection)),
        parser_(to_head) {}

  int status() const override { return head_.status; }
  const Headers& headers() const override { return head_.headers; }
  bool got_bytes() const { return got_bytes_; }

  // Sends the request and waits for the head of the reply.
  Task<Result<void>> start(std::string request_head, const std::string& body, RequestContext& context);
  Task<Result<std::string>> read_some(RequestContext& context) override;

 private:
  Task<Result<void>> read_head(RequestContext& context);
  Task<error_code> fill();
  void release(const asio::any_io_executor& executor);

  const std::shared_ptr<const ClientConfig> config_;
  const Url url_;
  const std::string pool_key_;
  std::unique_ptr<Connection> connection_;  // Null once the reply is complete.
  ResponseParser parser_;
  boost::beast::flat_buffer buffer_;
  ResponseHead head_;
  bool got_bytes_ = false;
};

Task<error_code> Stream::fill() {
  const auto space = buffer_.prepare(kReadBytes);
  auto [error, bytes] = co_await connection_->read_some(space);
  buffer_.commit(bytes);
  if (bytes > 0) got_bytes_ = true;
  co_return error;
}

Task<Result<void>> Stream::start(std::string request_head, const std::string& body, RequestContext& context) {
  const auto executor = co_await asio::this_coro::executor;
  async::Watch watch(executor, context, context.deadline(), [this] {
    if (connection_) connection_->close();
  });
  // A small body travels with the head; a large one is not copied.
  const bool together = body.size() <= kReadBytes;
  if (together) request_head += body;
  // A server may answer and close before it has read everything, so a failed write still leaves a reply to look for.
  error_code error = co_await connection_->write(request_head);
  if (!error && !together) error = co_await connection_->write(body);
  auto read = co_await read_head(context);
  if (read.has_error()) co_return read;
  if (parser_.body_done()) release(executor);
  co_return Result<void>();
}

Task<Result<void>> Stream::read_head(RequestContext& context) {
  while (true) {
    RAGTIME_CO_TRY(auto head, parser_.read_head(buffer_));
    if (head) {
      head_ = std::move(*head);
      co_return Result<void>();
    }
    const error_code error = co_await fill();
    if (error) co_return failure(context, url_, "no reply: " + error.message());
  }
}

Task<Result<std::string>> Stream::read_some(RequestContext& context) {
  std::string out;
  if (!connection_) co_return out;
  RAGTIME_CO_TRY_DONE(context.check());
  const auto executor = co_await asio::this_coro::executor;
  async::Watch watch(executor, context, Deadline::after(config_->idle_timeout), [this] {
    if (connection_) connection_->close();
  });
  while (!parser_.body_done()) {
    RAGTIME_CO_TRY(const bool progress, parser_.read_body(buffer_, out, kReadBytes));
    if (progress && !out.empty()) co_return out;
    if (progress) continue;
    const error_code error = co_await fill();
    if (error == asio::error::eof) {
      RAGTIME_CO_TRY_DONE(parser_.end_of_stream());
    } else if (error) {
      const bool idle = watch.status().has_error();
      co_return failure(context, url_, idle ? "nothing more of the reply arrived in time" : error.message());
    }
  }
  release(executor);
  co_return out;
}

void Stream::release(const asio::any_io_executor& executor) {
  if (parser_.keep_alive() && buffer_.size() == 0) {
    ConnectionPool::of(executor).put(pool_key_, std::move(connection_), config_->idle_connections_max);
  }
  connection_.reset();
}

}  // namespace

Result<asio::ssl::context*> Client::State::tls() {
  const std::lock_guard lock(tls_mutex_);
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
  tls_.emplace(std::move(context));
  return &*tls_;
}

Task<Result<std::unique_ptr<Connection>>> Client::State::connect(Url url, RequestContext& context) {
  RequestContext connecting(context, context.deadline().sooner(config.connect_timeout));
  auto addresses = co_await look_up(url, connecting);
  if (addresses.has_error()) co_return failure(context, url, addresses.error().message);
  const auto executor = co_await asio::this_coro::executor;
  auto connection = std::make_unique<Connection>(executor);
  async::Watch watch(executor, connecting, connecting.deadline(), [&connection] { connection->close(); });
  error_code error = co_await connection->connect(std::move(*addresses));
  if (!error && url.tls) {
    RAGTIME_CO_TRY(asio::ssl::context* const authorities, tls());
    error = co_await connection->start_tls(*authorities, url.host);
  }
  if (!error) co_return connection;
  const bool late = watch.status().has_error();
  co_return failure(context, url, late ? "no connection in time" : "cannot connect: " + error.message());
}

Task<Result<std::unique_ptr<ClientStream>>> Client::State::exchange(std::shared_ptr<State> state,
                                                                    const ClientRequest& request,
                                                                    RequestContext& context) {
  RAGTIME_CO_TRY_DONE(context.check());
  RAGTIME_CO_TRY(const Url url, parse_url(request.url));
  RAGTIME_CO_TRY(const std::string head, format_request(request, url));
  const std::shared_ptr<const ClientConfig> config(state, &state->config);
  const auto executor = co_await asio::this_coro::executor;
  auto connection = ConnectionPool::of(executor).take(state->pool_key(url), config->keep_alive);
  bool reused = connection != nullptr;
  while (true) {
    if (!reused) {
      auto made = co_await state->connect(url, context);
      if (made.has_error()) co_return std::move(made).error();
      connection = std::move(*made);
    }
    auto stream =
        std::make_unique<Stream>(config, url, state->pool_key(url), std::move(connection), request.method == "HEAD");
    auto started = co_await stream->start(head, request.body, context);
    if (started.has_value()) co_return std::unique_ptr<ClientStream>(std::move(stream));
    const bool repeat = reused && !stream->got_bytes() && is_idempotent(request.method);
    if (!repeat || started.error().code != ErrorCode::unavailable) co_return std::move(started).error();
    reused = false;
  }
}

Client::Client(ClientConfig config) : state_(std::make_shared<State>(std::move(config))) {}
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
