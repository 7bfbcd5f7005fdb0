// Session: one client connection from accept to close, request after request.
//
// Thread safety: a session belongs to its event loop; SessionShared is safe from all of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "http/request_metrics.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "http/server.h"
#include "http/websocket_session.h"
#include "http/wire.h"
#include "telemetry/log.h"

namespace ragtime::http {

// Constant while the server runs.
struct SessionShared {
  const ServerConfig& config;
  const Router& router;
  const ServerHooks& hooks;
  telemetry::Logger& log;
};

// What the sessions of one loop share.
struct LoopShared {
  explicit LoopShared(telemetry::Metrics& registry) : metrics(registry) {}

  // The current time for the Date field, formatted once per second.
  std::string_view date();

  RequestMetrics metrics;
  bool draining = false;

 private:
  std::int64_t date_second_ = -1;
  std::string date_;
};

class Session {
 public:
  Session(asio::ip::tcp::socket socket, const SessionShared& server, LoopShared& loop);

  // Until the connection has ended. Never throws.
  Task<> run();
  // Answers 503 and closes: the connection is one too many.
  Task<> refuse();

  // Called by the loop between the steps of the above.
  void expire(Wire::Time now);  // Also sends what is due to a silent client.
  void drain();                 // Ends an idle connection now, a busy one after its reply.
  void cancel();                // Cancels the running request.
  void stop();                  // Ends at once.

 private:
  class ChunkWriter;
  class StreamedBody;
  struct Exchange;

  Task<bool> serve_one();
  Task<std::optional<RequestHead>> read_head();
  Task<bool> answer(RequestHead head);
  Task<Response> respond(Exchange& exchange, const Router::Match& match);
  Task<Response> handle(Exchange& exchange, const Route& route);
  Task<Result<void>> read_whole_body(Exchange& exchange, std::size_t bytes_max);
  // Appends the next piece of the body; false at its end.
  Task<Result<bool>> read_body_piece(Exchange& exchange, std::string& out);
  Wire::Time body_deadline(const Exchange& exchange, Wire::Time now) const;
  void decide_keep_alive(Exchange& exchange, const Response& response);
  Task<> send(Exchange& exchange, Response& response);
  Task<> send_stream(Exchange& exchange, Response& response);
  // Answers with 101 and runs the WebSocket; or refuses, and the connection goes on.
  Task<> upgrade(Exchange& exchange, Response& response);
  Task<> run_websocket(Exchange& exchange, const Response& response);
  void send_heartbeat(Wire::Time now);
  Task<> discard_rest_of_body();
  // Answers what is not a proper request; the connection ends with it.
  Task<> reject(int status, Error error, std::string request_id);
  void watch_client(Exchange& exchange);
  void log_exception(const Exchange& exchange, std::string_view event, std::exception_ptr failure);
  void finish(std::string_view route, std::string_view method, std::string_view path, std::string_view request_id,
              int status, std::uint64_t bytes);
  Wire::Patience patience() const;
  Response body_error(const Error& error) const;
  Response unmatched(const Router::Match& match) const;

  const SessionShared& server_;
  LoopShared& loop_;
  Wire wire_;
  const std::string remote_;
  RequestParser parser_;
  Exchange* exchange_ = nullptr;                 // The running request.
  WebSocketSession* websocket_ = nullptr;        // While the connection is one.
  std::chrono::steady_clock::time_point start_;  // Of the request.
  bool idle_ = false;                            // Waiting for the first byte of a request.
  bool linger_ = false;                          // The last reply must arrive before the connection is closed.
};

}  // namespace ragtime::http
