// RawClient: a blocking socket for the tests of the server, to send what a proper client never would.
//
// Thread safety: one thread at a time. Every wait ends after ten seconds with what has arrived.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <poll.h>

namespace ragtime::http {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) { connect(port); }
  RawClient() : socket_(loop_) { socket_.open(boost::asio::ip::tcp::v4()); }

  void connect(std::uint16_t port) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port}, error_);
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  }

  void send(std::string_view bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes), error_); }

  // Everything up to and with `end`; what is after it stays for the next call.
  std::string read_until(std::string_view end) {
    while (received_.find(end) == std::string::npos && receive()) {
    }
    const auto found = received_.find(end);
    return take(found == std::string::npos ? received_.size() : found + end.size());
  }

  std::string read(std::size_t bytes) {
    while (received_.size() < bytes && receive()) {
    }
    return take(std::min(bytes, received_.size()));
  }

  // Up to the end of the stream.
  std::string read_all() {
    while (receive()) {
    }
    return take(received_.size());
  }

  // A reply with a Content-Length: head and body.
  std::string read_reply() {
    std::string head = read_until("\r\n\r\n");
    const auto field = head.find("Content-Length: ");
    if (field == std::string::npos) return head;
    return head + read(std::stoul(head.substr(field + 16)));
  }

  // True when the server has closed (or reset) the connection; bytes before that are kept.
  bool closed() {
    while (receive()) {
    }
    return ended_;
  }

  void close() { socket_.close(error_); }
  void finish_sending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, error_); }
  // Closing then sends a reset instead of a proper end.
  void reset() {
    socket_.set_option(boost::asio::socket_base::linger(true, 0), error_);
    socket_.close(error_);
  }
  bool failed() const { return error_.failed(); }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  static constexpr int kWaitMs = 10'000;

  bool receive() {
    pollfd waiting{socket_.native_handle(), POLLIN, 0};
    if (ended_ || ::poll(&waiting, 1, kWaitMs) <= 0) return false;
    char bytes[16 << 10];
    const std::size_t count = socket_.read_some(boost::asio::buffer(bytes), error_);
    ended_ = error_.failed();
    received_.append(bytes, count);
    return !ended_;
  }

  std::string take(std::size_t bytes) {
    std::string out = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return out;
  }

  boost::asio::io_context loop_;
  boost::asio::ip::tcp::socket socket_{loop_};
  boost::system::error_code error_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace ragtime::http
