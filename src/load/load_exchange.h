// LoadExchange: how the load generator talks to a server: one request at a time, reply piece by piece.
//
// Plain HTTP to an address is spoken over a connection of its own with as little work as possible, so that the
// generator measures the server and not itself; TLS and host names go through http::Client.
// Thread safety: belongs to one event loop.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "http/client.h"
#include "load/load_config.h"

namespace ragtime::load {

// A target's address and how requests to it begin.
struct LoadRoute {
  std::string url;      // With the operation's path.
  std::string host;     // An IP address for direct connections, else empty.
  std::uint16_t port = 0;
  std::string head;     // Of a direct request, up to the value of Content-Length.
  http::Headers headers;

  // Errors: invalid_argument for the URL.
  static Result<LoadRoute> of(const LoadTarget& target, const LoadConfig& config);
};

class LoadExchange {
 public:
  virtual ~LoadExchange() = default;
  // Sends the request and reads the head: the status. Errors: unavailable, with what broke.
  virtual Task<Result<int>> start(std::string_view body) = 0;
  // The next bytes of the body, valid until the next call; empty at its proper end. Errors: unavailable.
  virtual Task<Result<std::string_view>> read_some() = 0;
  // Makes a pending operation fail.
  virtual void abort() = 0;
  // Whether another request may be started: the last reply was read to its end.
  virtual bool reusable() const = 0;
};

// `client` serves what needs it and outlives the exchange, as does `route`.
std::unique_ptr<LoadExchange> make_exchange(const LoadRoute& route, http::Client& client,
                                            std::chrono::milliseconds timeout);

}  // namespace ragtime::load
