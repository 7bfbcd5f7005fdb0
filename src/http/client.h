// Client: HTTP/1.1 requests with connection reuse, TLS when the URL says https, and streamed replies.
//
// Every wait ends at the context's deadline or cancellation. One pool of idle connections per executor thread; the
// youngest is used first, so that those which are not needed any more time out. Replies are framed strictly: anything
// that two readers could understand differently is a broken reply.
// A connection of the pool that turns out to be dead before a byte of the reply came is replaced by a new one, once:
// for idempotent methods always; for others only when the peer's kernel had not acknowledged a single byte of the
// request, so that nobody can have acted on it.
// Thread safety: every member may be called from any coroutine on any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/message.h"

namespace ragtime::telemetry {
class Metrics;
}

namespace ragtime::http {

// The two limits with a minimum adapt to each origin: between minimum and limit, twice what its mean and deviation so
// far make likely, and twice as long after each time that it was not enough. A minimum of 0 keeps the limit as it is.
struct ClientConfig {
  std::chrono::milliseconds connect_timeout{5'000};  // Look-up, connection and TLS together.
  std::chrono::milliseconds connect_timeout_min{1'500};
  // From the start of sending a request to the whole head of its reply; 0: the deadline alone.
  std::chrono::milliseconds first_byte_timeout{0};
  std::chrono::milliseconds first_byte_timeout_min{0};
  std::chrono::milliseconds idle_timeout{30'000};             // Between two reads of a body.
  std::chrono::milliseconds keep_alive{60'000};               // Of an unused connection.
  std::chrono::milliseconds connection_lifetime_max{600'000};  // Not used again when older.
  std::size_t idle_connections_max = 256;                      // Per thread.
  std::size_t connections_per_origin_max = 0;                  // In use at a time; others wait. 0: no limit.
  std::size_t connection_waiters_max = 1024;                   // Per origin; one more is refused.
  std::size_t body_bytes_max = 64u << 20;                      // Of a reply that is read whole.
  int redirects_max = 5;                                       // For GET; 0 returns the 3xx itself.
  std::string ca_file;                                         // PEM, trusted beside the system's authorities.
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://, with port and path; a query is kept as it is.
  Headers headers;
  std::string body;
  // For this request in place of the configured and learned ones; 0: those.
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds first_byte_timeout{0};
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// A reply whose head has arrived and whose body is read piece by piece. Destroying it early, or cancelling the context
// that it was opened with, closes the connection at once.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next bytes as they came; empty at the (complete) end.
  // Errors: unavailable when the connection broke or the body was cut, deadline_exceeded, cancelled.
  virtual Task<Result<std::string>> read_some(RequestContext& context) = 0;
};

class Client {
 public:
  // `metrics`, when given, outlives the client and its loops.
  explicit Client(ClientConfig config = {}, telemetry::Metrics* metrics = nullptr);
  ~Client();

  // Any status is a success here. Errors: unavailable (no connection, no reply within its limit, a broken one),
  // resource_exhausted (too many wait for the origin), deadline_exceeded, cancelled, too_large, invalid_argument.
  Task<Result<ClientResponse>> send(ClientRequest request, RequestContext& context);
  Task<Result<std::unique_ptr<ClientStream>>> open(ClientRequest request, RequestContext& context);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ragtime::http
