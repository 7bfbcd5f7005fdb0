// Server: HTTP/1.1 on coroutines, one event loop per thread, one listening socket whose connections are dealt to the
// loops in turn. (Not SO_REUSEPORT: with it a second process could share the port in silence.) Knows no product.
//
// Every request gets a RequestContext (id, deadline of its route) that is cancelled when the client goes away, and an
// x-request-id header on its reply. The client's leaving is noticed once its body has been read, and while it is read.
// Over the connection limit new connections are refused with 503; over the limit per address they are closed.
// Requests are framed strictly: whatever two servers could understand differently is answered with 400 and the end of
// the connection. Replies of type text/event-stream get comment lines while they are silent.
// Drain: stop accepting, answer what runs with `Connection: close`, then close; after the grace period cancel the rest.
// Thread safety: start, drain and stop from one thread; handlers run on the event loops and must not block them. A
// handler that goes on after its context was cancelled holds up stop().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/router.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::http {

struct WebSocketLimits {
  std::size_t message_bytes_max = 1u << 20;     // Of a message from the client; more closes with 1009.
  std::size_t outgoing_bytes_max = 256u << 10;  // Unsent; senders wait while there are more.
  std::size_t incoming_messages_max = 8;        // Received and not taken yet; then nothing more is read.
  std::chrono::milliseconds ping_interval{20'000};
  std::chrono::milliseconds close_timeout{5'000};  // For the client's part of the closing handshake.
};

struct ServerConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8000;  // 0 chooses a free one.
  std::size_t threads = 0;    // Event loops; 0 = one per processor that the process may use.
  std::size_t connections_max = 10'000;
  std::size_t connections_per_address_max = 0;  // 0: no limit, as behind a proxy.
  std::size_t header_bytes_max = 32u << 10;
  std::size_t target_bytes_max = 8u << 10;
  std::size_t fields_max = 100;
  std::chrono::milliseconds idle_timeout{75'000};    // Between requests on one connection.
  std::chrono::milliseconds header_timeout{10'000};  // From the first byte of a head to its end.
  std::chrono::milliseconds write_timeout{30'000};   // For one write to a client that does not read.
  // After the header timeout a body must have come, and after the write timeout a reply must have gone, at this rate.
  std::size_t bytes_per_second_min = 1024;
  std::chrono::milliseconds heartbeat_interval{15'000};  // Of silent event streams; 0: none.
  std::chrono::milliseconds drain_grace{30'000};
  WebSocketLimits websocket;
};

// What the layer above decides about requests that no route handles and about every reply.
struct ServerHooks {
  // Runs before any handler (host, origin and key checks, tenant of the context); an engaged value is the reply.
  std::function<Task<std::optional<Response>>(Request&, const Route&, RequestContext&)> before;
  // Makes the reply for errors of HTTP itself: 404, 405, 408, 413, 400, 431, 503, and 500 for an exception. Plain text
  // when not set.
  std::function<Response(int status, const Error& error)> error;
};

class Server {
 public:
  Server(ServerConfig config, Router router, ServerHooks hooks, telemetry::Logger& log, telemetry::Metrics& metrics);
  ~Server();

  // Binds and starts the threads. Errors: unavailable when the address cannot be bound (says which and why).
  Result<void> start();
  std::uint16_t port() const;  // The bound one, after start().
  void drain();                // Returns when every request has ended or the grace period is over.
  void stop();                 // Cancels what is left and joins the threads. Idempotent.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::http
