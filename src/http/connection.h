// Connection: the client's side of one TCP connection, with TLS or without, and the pool of idle ones.
//
// Neither has timeouts: the caller's Guard calls close(), which ends a pending operation with an error.
// Thread safety: both belong to one event loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
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
#include "http/origin.h"

namespace ragtime::http {

class Connection {
 public:
  Connection(asio::any_io_executor executor, std::shared_ptr<Origin> origin);
  ~Connection();  // Closes it at once.
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Tries the addresses in turn.
  Task<boost::system::error_code> connect(std::vector<asio::ip::tcp::endpoint> addresses);
  // Verifies the peer's certificate for `host`. Resumes the origin's last session when there is one.
  Task<boost::system::error_code> start_tls(asio::ssl::context& context, std::string host);
  // Makes the context hand sessions to the origins of its connections.
  static void remember_sessions(asio::ssl::context& context);

  Task<boost::system::error_code> write(std::string_view head, std::string_view body);
  Task<std::pair<boost::system::error_code, std::size_t>> read_some(asio::mutable_buffer space);
  void close();

  // Whether an idle connection is still of use: open, and nothing has arrived that nobody asked for.
  bool fresh();
  std::chrono::steady_clock::time_point created_at() const { return created_at_; }
  // See tcp_info.h.
  std::optional<std::uint64_t> acknowledged_bytes();
  bool resumed_session() const;

 private:
  using TlsStream = asio::ssl::stream<asio::ip::tcp::socket&>;

  const std::shared_ptr<Origin> origin_;
  const std::chrono::steady_clock::time_point created_at_ = std::chrono::steady_clock::now();
  asio::ip::tcp::socket socket_;
  std::optional<TlsStream> tls_;
};

// Lives inside the loop's execution context, so that idle connections never outlive the loop that they belong to.
// What is not needed any more is closed whenever the pool is used, and by sweep().
class ConnectionPool final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  static ConnectionPool& of(const asio::any_io_executor& executor);

  explicit ConnectionPool(asio::execution_context& context) : service(context) {}

  // The youngest idle connection to the origin that is still of use; null when there is none.
  std::unique_ptr<Connection> take(const std::shared_ptr<Origin>& origin);
  // Closes the oldest one of all when there are more than the configuration allows.
  void put(const std::shared_ptr<Origin>& origin, std::unique_ptr<Connection> connection, const ClientConfig& config);
  // Closes what is past its time or has been closed by the peer. Cheap to call often: it looks once a second.
  void sweep();

  std::size_t idle() const { return idle_count_; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Idle {
    std::unique_ptr<Connection> connection;
    Time since;
    Time until;
  };
  using Queue = std::vector<Idle>;  // Oldest first.

  void shutdown() override;
  void close_expired(Time now);
  void close_oldest();
  void remove(const std::shared_ptr<Origin>& origin, Queue& queue, Queue::iterator first, Queue::iterator last);

  std::map<std::shared_ptr<Origin>, Queue> idle_;
  std::size_t idle_count_ = 0;
  Time next_sweep_{};
};

}  // namespace ragtime::http
