#include "http/session.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "http/reply.h"
#include "http/target.h"
#include "http/websocket_handshake.h"

namespace ragtime::http {
namespace {

constexpr std::size_t kHeadReadBytes = 4096;
constexpr std::size_t kBodyReadBytes = 64u << 10;
constexpr std::uint64_t kDiscardBytesMax = 256u << 10;
constexpr std::uint64_t kReserveBytesMax = 1u << 20;  // For a body that was only announced.
constexpr std::chrono::milliseconds kLinger{1'000};
constexpr int kClientGone = 499;
constexpr std::string_view kUnmatchedRoute = "unmatched";

using std::chrono::steady_clock;

Error over_limit(std::size_t body_bytes_max) {
  return make_error(ErrorCode::too_large, fmt::format("the body is over the limit of {} bytes", body_bytes_max));
}

}  // namespace

// One request and what happened to it.
struct Session::Exchange {
  Exchange(Session& owner, RequestHead head, std::string id, Deadline deadline)
      : session(owner),
        is_head(head.method == "HEAD"),
        http_1_1(head.http_1_1),
        keep_alive(head.keep_alive),
        continue_wanted(head.expects_continue),
        content_length(head.content_length),
        context(std::move(id), "", deadline) {
    request.method = std::move(head.method);
    request.headers = std::move(head.headers);
    request.remote_address = session.remote_;
    session.exchange_ = this;
    session.loop_.metrics.in_flight.add(1);
  }

  ~Exchange() {
    session.wire_.unwatch();
    session.exchange_ = nullptr;
    session.loop_.metrics.in_flight.add(-1);
  }

  Session& session;
  Request request;
  const bool is_head;
  const bool http_1_1;
  bool keep_alive;
  bool continue_wanted;  // The client holds its body back until it is told to continue.
  const std::optional<std::uint64_t> content_length;
  RequestContext context;
  std::string_view route = kUnmatchedRoute;
  int status = 0;
  std::uint64_t bytes_sent = 0;  // Of the body.
  bool client_closed = false;    // The end of its stream was seen; it may still read.
  bool broken = false;           // Nothing more can be sent.
  // How long the client has been waited for, and what it sent, of the body.
  steady_clock::duration body_waited{};
  std::uint64_t body_bytes = 0;
  bool event_stream = false;  // Its body is being sent.
  bool event_ended = true;    // What was sent last ended an event.
  steady_clock::time_point last_write{};
};

class Session::ChunkWriter final : public StreamWriter {
 public:
  ChunkWriter(Session& session, Exchange& exchange) : session_(session), exchange_(exchange) {}

  Task<Result<void>> write(std::string_view bytes) override {
    if (bytes.empty()) co_return Result<void>();
    if (exchange_.broken || exchange_.client_closed) co_return gone();
    const std::string size = exchange_.http_1_1 ? fmt::format("{:x}\r\n", bytes.size()) : "";
    const std::string_view end = exchange_.http_1_1 ? "\r\n" : "";
    Wire::Pieces pieces;
    pieces.emplace_back(size.data(), size.size());
    pieces.emplace_back(bytes.data(), bytes.size());
    pieces.emplace_back(end.data(), end.size());
    exchange_.event_ended = bytes.ends_with("\n\n");
    const bool sent = co_await session_.wire_.write(pieces, session_.patience());
    exchange_.last_write = steady_clock::now();
    if (!sent) {
      exchange_.broken = true;
      exchange_.context.cancel();
      co_return gone();
    }
    exchange_.bytes_sent += bytes.size();
    co_return Result<void>();
  }

 private:
  static Error gone() { return make_error(ErrorCode::cancelled, "the client is gone"); }

  Session& session_;
  Exchange& exchange_;
};

class Session::StreamedBody final : public BodyReader {
 public:
  StreamedBody(Session& session, Exchange& exchange, std::size_t bytes_max)
      : session_(session), exchange_(exchange), bytes_max_(bytes_max) {}

  Task<Result<std::string>> read_some() override {
    std::string piece;
    RAGTIME_CO_TRY_DONE(co_await session_.read_body_piece(exchange_, piece));
    bytes_ += piece.size();
    if (bytes_ > bytes_max_) co_return over_limit(bytes_max_);
    co_return piece;
  }

 private:
  Session& session_;
  Exchange& exchange_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
};

std::string_view LoopShared::date() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (std::exchange(date_second_, second) != second) date_ = format_http_date(second);
  return date_;
}

Session::Session(asio::ip::tcp::socket socket, const SessionShared& server, LoopShared& loop)
    : server_(server),
      loop_(loop),
      wire_(std::move(socket), server.config.header_bytes_max + kBodyReadBytes),
      remote_(wire_.remote_address()),
      parser_({server.config.header_bytes_max, server.config.target_bytes_max, server.config.fields_max}) {}

Wire::Patience Session::patience() const {
  return {server_.config.write_timeout, server_.config.bytes_per_second_min};
}

Task<> Session::run() {
  try {
    while (co_await serve_one()) {
    }
    if (linger_) co_await wire_.linger(kLinger);
  } catch (const std::exception& error) {
    server_.log.error("session_failed", {{"remote", remote_}, {"error", error.what()}});
  }
  wire_.close();
}

Task<> Session::refuse() {
  start_ = steady_clock::now();
  Error error = make_error(ErrorCode::resource_exhausted, "the server has too many connections; retry later");
  co_await reject(503, std::move(error), make_id("req_"));
  if (linger_) co_await wire_.linger(kLinger);
  wire_.close();
}

void Session::expire(Wire::Time now) {
  wire_.expire(now);
  if (websocket_ != nullptr) {
    websocket_->tick(now);
  } else if (exchange_ != nullptr && exchange_->event_stream) {
    send_heartbeat(now);
  }
}

void Session::drain() {
  if (idle_) wire_.close();
  if (websocket_ != nullptr) websocket_->drain();
}

void Session::cancel() {
  if (exchange_ != nullptr) exchange_->context.cancel();
  if (websocket_ != nullptr) websocket_->drain();
}

// A comment line, which readers of event streams skip, tells proxies and clients that the answer is still alive.
void Session::send_heartbeat(Wire::Time now) {
  const auto interval = server_.config.heartbeat_interval;
  Exchange& exchange = *exchange_;
  const bool due = interval.count() > 0 && now - exchange.last_write >= interval;
  if (!due || !exchange.event_ended || exchange.client_closed || wire_.writing()) return;
  exchange.last_write = now;
  // Unsent ones do not pile up.
  if (wire_.queued_bytes() == 0) wire_.queue(exchange.http_1_1 ? "3\r\n:\n\n\r\n" : ":\n\n");
  wire_.send_queued();
}

void Session::stop() {
  cancel();
  wire_.close();
}

Task<bool> Session::serve_one() {
  auto head = co_await read_head();
  if (!head) co_return false;
  const bool more = co_await answer(std::move(*head));
  co_return more;
}

Task<std::optional<RequestHead>> Session::read_head() {
  parser_.reset();
  if (wire_.buffer().size() == 0) {
    if (loop_.draining) co_return std::nullopt;
    wire_.release_memory();
    idle_ = true;
    const bool arrived = co_await wire_.fill(kHeadReadBytes, steady_clock::now() + server_.config.idle_timeout);
    idle_ = false;
    if (!arrived) co_return std::nullopt;
  }
  start_ = steady_clock::now();
  while (true) {
    auto head = parser_.read_head(wire_.buffer());
    if (head.has_error()) {
      co_await reject(parser_.rejection(), std::move(head).error(), make_id("req_"));
      co_return std::nullopt;
    }
    if (*head) co_return std::move(**head);
    const bool arrived = co_await wire_.fill(kHeadReadBytes, start_ + server_.config.header_timeout);
    if (arrived) continue;
    if (wire_.late()) {
      Error error = make_error(ErrorCode::deadline_exceeded, "the head of the request did not arrive in time");
      co_await reject(408, std::move(error), make_id("req_"));
    }
    co_return std::nullopt;
  }
}

Task<bool> Session::answer(RequestHead head) {
  const auto incoming_id = head.headers.find("x-request-id");
  std::string id = incoming_id && acceptable_request_id(*incoming_id) ? std::string(*incoming_id) : make_id("req_");
  auto target = parse_target(head.target);
  if (target.has_error()) {
    co_await reject(400, std::move(target).error(), std::move(id));
    co_return false;
  }
  auto match = server_.router.match(head.method, target->raw_path);
  const auto timeout = match.route != nullptr ? match.route->timeout : server_.config.header_timeout;
  Exchange exchange(*this, std::move(head), std::move(id), Deadline::after(timeout));
  exchange.request.path = std::move(target->path);
  exchange.request.query = std::move(target->query);
  exchange.request.params = std::move(match.params);
  if (match.route != nullptr) exchange.route = match.route->pattern;
  if (parser_.body_done()) watch_client(exchange);
  auto response = co_await respond(exchange, match);
  co_await send(exchange, response);
  wire_.unwatch();
  finish(exchange.route, exchange.request.method, exchange.request.path, exchange.context.request_id(), exchange.status,
         exchange.bytes_sent);
  linger_ = !exchange.broken;
  if (exchange.broken || !exchange.keep_alive) co_return false;
  co_await discard_rest_of_body();
  co_return parser_.body_done();
}

Task<Response> Session::respond(Exchange& exchange, const Router::Match& match) {
  if (match.route == nullptr) co_return unmatched(match);
  try {
    auto response = co_await handle(exchange, *match.route);
    co_return response;
  } catch (...) {
    log_exception(exchange, "handler_failed", std::current_exception());
  }
  co_return server_.hooks.error(500, make_error(ErrorCode::internal, "the server failed to answer; its log says why"));
}

Task<Response> Session::handle(Exchange& exchange, const Route& route) {
  if (server_.hooks.before) {
    auto early = co_await server_.hooks.before(exchange.request, route, exchange.context);
    if (early) co_return std::move(*early);
  }
  if (exchange.content_length && *exchange.content_length > route.body_bytes_max) {
    co_return body_error(over_limit(route.body_bytes_max));
  }
  StreamedBody reader(*this, exchange, route.body_bytes_max);
  if (route.body_mode == BodyMode::stream) {
    exchange.request.body_reader = &reader;
  } else if (auto read = co_await read_whole_body(exchange, route.body_bytes_max); read.has_error()) {
    co_return body_error(read.error());
  }
  auto response = co_await route.handler(exchange.request, exchange.context);
  exchange.request.body_reader = nullptr;
  co_return response;
}

Task<Result<void>> Session::read_whole_body(Exchange& exchange, std::size_t bytes_max) {
  std::string& body = exchange.request.body;
  body.reserve(std::min(exchange.content_length.value_or(0), kReserveBytesMax));
  while (true) {
    RAGTIME_CO_TRY(const bool more, co_await read_body_piece(exchange, body));
    if (!more) co_return Result<void>();
    if (body.size() > bytes_max) co_return over_limit(bytes_max);
  }
}

Task<Result<bool>> Session::read_body_piece(Exchange& exchange, std::string& out) {
  const std::size_t before_piece = out.size();
  while (!parser_.body_done()) {
    auto progress = parser_.read_body(wire_.buffer(), out, kBodyReadBytes);
    if (progress.has_error()) {
      exchange.keep_alive = false;
      co_return std::move(progress).error();
    }
    if (parser_.body_done()) watch_client(exchange);
    if (out.size() > before_piece) co_return true;
    if (*progress) continue;
    if (std::exchange(exchange.continue_wanted, false)) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      Wire::Pieces pieces;
      pieces.emplace_back(kContinue.data(), kContinue.size());
      co_await wire_.write(pieces, patience());
    }
    const auto before = steady_clock::now();
    const auto received = wire_.buffer().size();
    const bool arrived = co_await wire_.fill(kBodyReadBytes, body_deadline(exchange, before));
    exchange.body_waited += steady_clock::now() - before;
    exchange.body_bytes += wire_.buffer().size() - received;
    if (arrived) continue;
    exchange.keep_alive = false;
    if (wire_.late()) co_return make_error(ErrorCode::deadline_exceeded, "the body did not arrive in time");
    exchange.broken = true;
    exchange.context.cancel();
    co_return make_error(ErrorCode::cancelled, "the client is gone");
  }
  co_return false;
}

// The client may be waited for as long as a head, and longer for what it has sent already. Time in which the handler did
// not ask for more does not count.
Wire::Time Session::body_deadline(const Exchange& exchange, Wire::Time now) const {
  const auto rate = static_cast<double>(std::max<std::size_t>(server_.config.bytes_per_second_min, 1));
  const std::chrono::duration<double> earned(static_cast<double>(exchange.body_bytes) / rate);
  const auto allowed = server_.config.header_timeout + std::chrono::duration_cast<Wire::Time::duration>(earned);
  return std::min(exchange.context.deadline().when(), now + allowed - exchange.body_waited);
}

void Session::decide_keep_alive(Exchange& exchange, const Response& response) {
  const auto left = parser_.bytes_left();
  const bool rest_is_small = left && *left <= kDiscardBytesMax && (*left == 0 || !exchange.continue_wanted);
  const bool needs_close = response.stream && !exchange.http_1_1;
  if (loop_.draining || exchange.client_closed || needs_close || !rest_is_small) exchange.keep_alive = false;
}

Task<> Session::send(Exchange& exchange, Response& response) {
  exchange.status = exchange.broken ? kClientGone : response.status;
  if (exchange.broken) co_return;
  if (response.websocket) {
    co_await upgrade(exchange, response);
    co_return;
  }
  decide_keep_alive(exchange, response);
  using Body = ReplyFraming::Body;
  ReplyFraming framing;
  framing.http_1_1 = exchange.http_1_1;
  framing.keep_alive = exchange.keep_alive;
  framing.body_bytes = response.body.size();
  if (!status_has_body(response.status)) {
    framing.body = Body::none;
  } else if (response.stream) {
    framing.body = exchange.http_1_1 ? Body::chunked : Body::until_close;
  }
  const bool sends_body = framing.body == Body::sized && !exchange.is_head;
  const std::string head = format_reply_head(response, framing, exchange.context.request_id(), loop_.date());
  if (response.stream && framing.body != Body::none && !exchange.is_head) {
    // The head goes along with the first piece of the body, or alone when that does not come at once.
    wire_.queue(head);
    wire_.send_queued_soon();
    wire_.release_memory(0);
    co_await send_stream(exchange, response);
    co_return;
  }
  Wire::Pieces pieces;
  pieces.emplace_back(head.data(), head.size());
  if (sends_body) pieces.emplace_back(response.body.data(), response.body.size());
  const bool sent = co_await wire_.write(pieces, patience());
  if (!sent) {
    exchange.broken = true;
    exchange.status = kClientGone;
    exchange.context.cancel();
  } else if (sends_body) {
    exchange.bytes_sent = response.body.size();
  }
}

Task<> Session::upgrade(Exchange& exchange, Response& response) {
  auto accepted = accept_websocket(exchange.request);
  if (accepted.has_value() && (!exchange.http_1_1 || !parser_.body_done() || !exchange.request.body.empty())) {
    accepted = make_error(ErrorCode::invalid_argument, "malformed WebSocket handshake: it has a body");
  }
  if (accepted.has_error()) {
    const int status = accepted.error().code == ErrorCode::unsupported ? 426 : 400;
    Response refusal = server_.hooks.error(status, accepted.error());
    if (status == 426) {
      refusal.headers.set("Upgrade", "websocket");
      refusal.headers.set("Sec-WebSocket-Version", "13");
    }
    co_await send(exchange, refusal);
    co_return;
  }
  response.status = exchange.status = 101;
  response.headers.set("Upgrade", "websocket");
  response.headers.set("Sec-WebSocket-Accept", *accepted);
  if (!response.subprotocol.empty()) response.headers.set("Sec-WebSocket-Protocol", response.subprotocol);
  ReplyFraming framing;
  framing.body = ReplyFraming::Body::none;
  framing.upgrade = true;
  wire_.unwatch();
  wire_.queue(format_reply_head(response, framing, exchange.context.request_id(), loop_.date()));
  wire_.send_queued();
  exchange.keep_alive = false;
  co_await run_websocket(exchange, response);
}

Task<> Session::run_websocket(Exchange& exchange, const Response& response) {
  const WebSocketSession::Settings settings{server_.config.websocket, patience()};
  const auto executor = co_await asio::this_coro::executor;
  WebSocketSession websocket(executor, wire_, settings, exchange.context);
  websocket_ = &websocket;
  if (loop_.draining) websocket.drain();
  try {
    co_await websocket.run(response.websocket);
  } catch (...) {
    log_exception(exchange, "websocket_failed", std::current_exception());
  }
  websocket_ = nullptr;
  exchange.bytes_sent = websocket.bytes_sent();
  server_.log.info("websocket_closed", {{"request_id", exchange.context.request_id()},
                                        {"route", exchange.route},
                                        {"reason", websocket.end_reason()}});
}

Task<> Session::send_stream(Exchange& exchange, Response& response) {
  ChunkWriter writer(*this, exchange);
  bool failed = false;
  const auto type = response.headers.find("content-type");
  exchange.last_write = steady_clock::now();
  exchange.event_stream = type && type->starts_with("text/event-stream");
  try {
    co_await response.stream(writer);
  } catch (...) {
    failed = true;
    log_exception(exchange, "stream_failed", std::current_exception());
    wire_.send_queued();
  }
  exchange.event_stream = false;
  if (!failed && !exchange.broken && !exchange.client_closed) {
    static constexpr std::string_view kLastChunk = "0\r\n\r\n";
    Wire::Pieces pieces;
    if (exchange.http_1_1) pieces.emplace_back(kLastChunk.data(), kLastChunk.size());
    const bool sent = co_await wire_.write(pieces, patience());
    if (sent) co_return;
  }
  // Without its last chunk the client sees that the reply was cut.
  exchange.broken = true;
  if (!failed) exchange.status = kClientGone;
}

Task<> Session::discard_rest_of_body() {
  const auto deadline = steady_clock::now() + server_.config.header_timeout;
  while (!parser_.body_done()) {
    std::string ignored;
    auto progress = parser_.read_body(wire_.buffer(), ignored, kBodyReadBytes);
    if (progress.has_error()) co_return;
    if (*progress) continue;
    const bool arrived = co_await wire_.fill(kBodyReadBytes, deadline);
    if (!arrived) co_return;
  }
}

Task<> Session::reject(int status, Error error, std::string request_id) {
  const Response response = server_.hooks.error(status, error);
  ReplyFraming framing;
  framing.keep_alive = false;
  framing.body_bytes = response.body.size();
  const std::string head = format_reply_head(response, framing, request_id, loop_.date());
  Wire::Pieces pieces;
  pieces.emplace_back(head.data(), head.size());
  pieces.emplace_back(response.body.data(), response.body.size());
  linger_ = co_await wire_.write(pieces, patience());
  finish(kUnmatchedRoute, "", "", request_id, response.status, linger_ ? response.body.size() : 0);
}

void Session::watch_client(Exchange& exchange) {
  wire_.watch(server_.config.header_bytes_max, [&exchange] {
    exchange.client_closed = true;
    exchange.context.cancel();
  });
}

void Session::log_exception(const Exchange& exchange, std::string_view event, std::exception_ptr failure) {
  std::string what;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
    what = "not a std::exception";
  }
  server_.log.error(event, {{"request_id", exchange.context.request_id()},
                            {"method", exchange.request.method},
                            {"route", exchange.route},
                            {"error", what}});
}

void Session::finish(std::string_view route, std::string_view method, std::string_view path,
                     std::string_view request_id, int status, std::uint64_t bytes) {
  const std::chrono::duration<double> duration = steady_clock::now() - start_;
  loop_.metrics.finished(route, method_label(method), status, duration);
  server_.log.info("request", {{"request_id", request_id},
                               {"method", method},
                               {"route", route},
                               {"path", path},
                               {"status", std::int64_t{status}},
                               {"duration_ms", duration.count() * 1e3},
                               {"bytes", static_cast<std::int64_t>(bytes)},
                               {"remote", remote_}});
}

Response Session::body_error(const Error& error) const {
  switch (error.code) {
    case ErrorCode::too_large:
      return server_.hooks.error(413, error);
    case ErrorCode::deadline_exceeded:
      return server_.hooks.error(408, error);
    default:
      return server_.hooks.error(400, error);
  }
}

Response Session::unmatched(const Router::Match& match) const {
  if (match.allowed.empty()) {
    return server_.hooks.error(404, make_error(ErrorCode::not_found, "there is nothing at this path"));
  }
  auto response = server_.hooks.error(405, make_error(ErrorCode::invalid_argument, "this path has other methods"));
  std::string allowed;
  for (const auto& method : match.allowed) allowed += (allowed.empty() ? "" : ", ") + method;
  response.headers.set("Allow", allowed);
  return response;
}

}  // namespace ragtime::http
