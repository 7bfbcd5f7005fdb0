#include "http/connection.h"

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "http/tcp_info.h"

namespace ragtime::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kJoinedBytesMax = 16u << 10;
constexpr auto kSweepInterval = std::chrono::seconds(1);

// Where an SSL object keeps its origin.
int origin_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* origin = static_cast<Origin*>(SSL_get_ex_data(ssl, origin_index()));
  if (origin == nullptr) return 0;
  // A copy, because OpenSSL spoils the session itself when the connection is closed without ceremony.
  origin->keep_session(SSL_SESSION_dup(session));
  return 0;
}

}  // namespace

Connection::Connection(asio::any_io_executor executor, std::shared_ptr<Origin> origin)
    : origin_(std::move(origin)), socket_(std::move(executor)) {
  origin_->count_open(1);
}

Connection::~Connection() {
  origin_->count_open(-1);
}

Task<boost::system::error_code> Connection::connect(std::vector<asio::ip::tcp::endpoint> addresses) {
  auto [error, address] = co_await asio::async_connect(socket_, addresses, kAwait);
  if (!error) {
    boost::system::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, error);  // For fresh().
  }
  co_return error;
}

Task<boost::system::error_code> Connection::start_tls(asio::ssl::context& context, std::string host) {
  tls_.emplace(socket_, context);
  boost::system::error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  // Server Name Indication knows names only.
  if (not_an_address) SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
  boost::system::error_code error;
  SSL_set_ex_data(tls_->native_handle(), origin_index(), origin_.get());
  if (SSL_SESSION* session = origin_->take_session(); session != nullptr) {
    SSL_set_session(tls_->native_handle(), session);
    SSL_SESSION_free(session);
  }
  tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
  if (error) co_return error;
  auto [handshake_error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kAwait);
  co_return handshake_error;
}

void Connection::remember_sessions(asio::ssl::context& context) {
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.native_handle(), on_new_session);
}

Task<boost::system::error_code> Connection::write(std::string_view head, std::string_view body) {
  const std::array pieces = {asio::const_buffer(head.data(), head.size()), asio::const_buffer(body.data(), body.size())};
  if (tls_) {
    // Each buffer would be a record, and a packet, of its own.
    std::string joined;
    if (body.size() <= kJoinedBytesMax) joined.append(head).append(body);
    const auto whole = std::array{asio::const_buffer(joined.data(), joined.size()), asio::const_buffer()};
    auto [error, count] = co_await asio::async_write(*tls_, joined.empty() ? pieces : whole, kAwait);
    co_return error;
  }
  auto [error, count] = co_await asio::async_write(socket_, pieces, kAwait);
  co_return error;
}

Task<std::pair<boost::system::error_code, std::size_t>> Connection::read_some(asio::mutable_buffer space) {
  if (tls_) {
    auto [error, count] = co_await tls_->async_read_some(space, kAwait);
    co_return std::pair(error, count);
  }
  auto [error, count] = co_await socket_.async_read_some(space, kAwait);
  co_return std::pair(error, count);
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool Connection::fresh() {
  boost::system::error_code error;
  char byte = 0;
  socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
  return error == asio::error::would_block;
}

std::optional<std::uint64_t> Connection::acknowledged_bytes() {
  if (!socket_.is_open()) return std::nullopt;
  return http::acknowledged_bytes(socket_.native_handle());
}

bool Connection::resumed_session() const {
  return tls_ && SSL_session_reused(const_cast<TlsStream&>(*tls_).native_handle()) == 1;
}

asio::execution_context::id ConnectionPool::id;

ConnectionPool& ConnectionPool::of(const asio::any_io_executor& executor) {
  return asio::use_service<ConnectionPool>(
      asio::query(executor, asio::execution::context_as<asio::execution_context&>));
}

void ConnectionPool::remove(const std::shared_ptr<Origin>& origin, Queue& queue, Queue::iterator first,
                            Queue::iterator last) {
  const auto count = static_cast<std::size_t>(last - first);
  if (count == 0) return;
  origin->count_idle(-static_cast<int>(count));
  idle_count_ -= count;
  queue.erase(first, last);
}

void ConnectionPool::close_expired(Time now) {
  for (auto entry = idle_.begin(); entry != idle_.end();) {
    auto& [origin, queue] = *entry;
    const auto expired = std::remove_if(queue.begin(), queue.end(), [&](const Idle& idle) {
      return idle.until <= now || !idle.connection->fresh();
    });
    remove(origin, queue, expired, queue.end());
    entry = queue.empty() ? idle_.erase(entry) : std::next(entry);
  }
}

void ConnectionPool::shutdown() {
  for (auto& [origin, queue] : idle_) remove(origin, queue, queue.begin(), queue.end());
  idle_.clear();
}

void ConnectionPool::close_oldest() {
  const auto oldest = std::ranges::min_element(
      idle_, {}, [](const auto& entry) { return entry.second.empty() ? Time::max() : entry.second.front().since; });
  if (oldest == idle_.end() || oldest->second.empty()) return;
  remove(oldest->first, oldest->second, oldest->second.begin(), oldest->second.begin() + 1);
}

void ConnectionPool::sweep() {
  const auto now = std::chrono::steady_clock::now();
  if (idle_count_ == 0 || now < next_sweep_) return;
  next_sweep_ = now + kSweepInterval;
  close_expired(now);
}

std::unique_ptr<Connection> ConnectionPool::take(const std::shared_ptr<Origin>& origin) {
  sweep();
  const auto found = idle_.find(origin);
  if (found == idle_.end()) return nullptr;
  auto& queue = found->second;
  const auto now = std::chrono::steady_clock::now();
  while (!queue.empty()) {
    Idle idle = std::move(queue.back());
    remove(origin, queue, queue.end() - 1, queue.end());
    if (idle.until > now && idle.connection->fresh()) return std::move(idle.connection);
  }
  return nullptr;
}

void ConnectionPool::put(const std::shared_ptr<Origin>& origin, std::unique_ptr<Connection> connection,
                         const ClientConfig& config) {
  if (config.idle_connections_max == 0) return;
  const auto now = std::chrono::steady_clock::now();
  const auto until = std::min(now + config.keep_alive, connection->created_at() + config.connection_lifetime_max);
  if (until <= now) return;
  sweep();
  if (idle_count_ >= config.idle_connections_max) close_oldest();
  idle_[origin].push_back({std::move(connection), now, until});
  ++idle_count_;
  origin->count_idle(1);
}

}  // namespace ragtime::http
