#include "http/connection.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace ragtime::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

Connection::Connection(asio::any_io_executor executor) : socket_(std::move(executor)) {}

Task<boost::system::error_code> Connection::connect(std::vector<asio::ip::tcp::endpoint> addresses) {
  auto [error, address] = co_await asio::async_connect(socket_, addresses, kAwait);
  if (!error) {
    boost::system::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
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
  tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
  if (error) co_return error;
  auto [handshake_error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kAwait);
  co_return handshake_error;
}

Task<boost::system::error_code> Connection::write(std::string_view bytes) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  if (tls_) {
    auto [error, count] = co_await asio::async_write(*tls_, buffer, kAwait);
    co_return error;
  }
  auto [error, count] = co_await asio::async_write(socket_, buffer, kAwait);
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
  socket_.non_blocking(true, error);
  if (error) return false;
  char byte = 0;
  socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
  return error == asio::error::would_block;
}

asio::execution_context::id ConnectionPool::id;

ConnectionPool& ConnectionPool::of(const asio::any_io_executor& executor) {
  return asio::use_service<ConnectionPool>(
      asio::query(executor, asio::execution::context_as<asio::execution_context&>));
}

std::unique_ptr<Connection> ConnectionPool::take(const std::string& pool_key, std::chrono::milliseconds keep_alive) {
  const auto oldest = std::chrono::steady_clock::now() - keep_alive;
  std::erase_if(idle_, [&](const Idle& idle) { return idle.key == pool_key && idle.since < oldest; });
  // The youngest first: the others are then closed by time when they are not needed.
  while (true) {
    const auto found =
        std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& idle) { return idle.key == pool_key; });
    if (found == idle_.rend()) return nullptr;
    auto connection = std::move(found->connection);
    idle_.erase(std::next(found).base());
    if (connection->fresh()) return connection;
  }
}

void ConnectionPool::put(const std::string& pool_key, std::unique_ptr<Connection> connection, std::size_t idle_max) {
  if (idle_max == 0) return;
  if (idle_.size() >= idle_max) idle_.erase(idle_.begin());
  idle_.push_back({pool_key, std::move(connection), std::chrono::steady_clock::now()});
}

}  // namespace ragtime::http
