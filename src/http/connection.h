// Connection: the client's side of one TCP connection, with TLS or without, and the pool of idle ones.
//
// Neither has timeouts: the caller's async::Watch calls close(), which ends a pending operation with an error.
// Thread safety: both belong to one event loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "async/task.h"

namespace ragtime::http {

class Connection {
 public:
  explicit Connection(asio::any_io_executor executor);

  // Tries the addresses in turn.
  Task<boost::system::error_code> connect(std::vector<asio::ip::tcp::endpoint> addresses);
  // Verifies the peer's certificate for `host`.
  Task<boost::system::error_code> start_tls(asio::ssl::context& context, std::string host);

  Task<boost::system::error_code> write(std::string_view bytes);
  Task<std::pair<boost::system::error_code, std::size_t>> read_some(asio::mutable_buffer space);
  void close();

  // Whether an idle connection is still of use: open, and nothing has arrived that nobody asked for.
  bool fresh();

 private:
  using TlsStream = asio::ssl::stream<asio::ip::tcp::socket&>;

  asio::ip::tcp::socket socket_;
  std::optional<TlsStream> tls_;
};

// Lives inside the loop's execution context, so that idle connections never outlive the loop that they belong to.
class ConnectionPool final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  static ConnectionPool& of(const asio::any_io_executor& executor);

  explicit ConnectionPool(asio::execution_context& context) : service(context) {}

  // Null when there is none. `pool_key` names the client and the origin.
  std::unique_ptr<Connection> take(const std::string& pool_key, std::chrono::milliseconds keep_alive);
  // Closes the oldest one when there are more than `idle_max`.
  void put(const std::string& pool_key, std::unique_ptr<Connection> connection, std::size_t idle_max);

 private:
  struct Idle {
    std::string key;
    std::unique_ptr<Connection> connection;
    std::chrono::steady_clock::time_point since;
  };

  void shutdown() override { idle_.clear(); }

  std::vector<Idle> idle_;  // Oldest first.
};

}  // namespace ragtime::http
