// Client: HTTP/1.1 requests with connection reuse, TLS when the URL says https, and streamed replies.
//
// Every wait ends at the context's deadline or cancellation. One pool of idle connections per executor thread.
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

namespace ragtime::http {

struct ClientConfig {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{30'000};  // Between two reads of a body; the head may take the deadline.
  std::chrono::milliseconds keep_alive{60'000};    // Of an unused connection.
  std::size_t idle_connections_max = 64;           // Per thread.
  std::size_t body_bytes_max = 64u << 20;          // Of a reply that is read whole.
  int redirects_max = 5;                           // For GET; 0 returns the 3xx itself.
  std::string ca_file;                             // PEM, trusted beside the system's authorities.
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://, with port and path; a query is kept as it is.
  Headers headers;
  std::string body;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// A reply whose head has arrived and whose body is read piece by piece. Destroying it early closes the connection.
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
  explicit Client(ClientConfig config = {});
  ~Client();

  // Any status is a success here. Errors: unavailable (no connection, broken reply), deadline_exceeded, cancelled,
  // too_large, invalid_argument (the URL).
  Task<Result<ClientResponse>> send(ClientRequest request, RequestContext& context);
  Task<Result<std::unique_ptr<ClientStream>>> open(ClientRequest request, RequestContext& context);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ragtime::http
