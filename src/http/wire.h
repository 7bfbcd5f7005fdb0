// Wire: the socket of one connection of the server, with its read buffer, one deadline, and a watch for the peer's
// leaving while nobody reads.
//
// Thread safety: belongs to the loop of its socket.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "async/task.h"

namespace ragtime::http {

class Wire {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `buffer_bytes_max` bounds what is read ahead.
  Wire(asio::ip::tcp::socket socket, std::size_t buffer_bytes_max);
  ~Wire();

  // Unread bytes; parsers take from its front.
  boost::beast::flat_buffer& buffer() { return buffer_; }
  // Gives back what a large request made the empty buffer grow to, so that idle connections stay small.
  void release_memory();

  // Reads up to `bytes_max` more bytes into the buffer. False at the end of the stream, when it is broken, late or
  // closed, or when the buffer is full. Precondition: not watching.
  Task<bool> fill(std::size_t bytes_max, Time deadline);

  // Sends everything, in order. The write timeout applies to each piece that the peer takes.
  // False when the connection is broken, late or closed.
  Task<bool> write(std::vector<asio::const_buffer> pieces, std::chrono::milliseconds timeout);

  // After a last reply: tells the peer that nothing more comes and waits briefly for it to close, because closing with
  // unread bytes would reset the connection and could destroy the reply on its way.
  Task<> linger(std::chrono::milliseconds timeout);

  // Ends a read or write whose deadline has passed; the loop calls it now and then.
  void expire(Time now);
  // Whether the last read or write ended that way.
  bool late() const { return late_; }

  // While watching, `on_gone` is called once when the peer has left; bytes that arrive are kept in the buffer.
  // After `pipelined_bytes_max` of them nothing more is read, and the peer's leaving stays unseen until unwatch().
  void watch(std::size_t pipelined_bytes_max, std::function<void()> on_gone);
  void unwatch();

  void close();
  std::string remote_address() const;

 private:
  struct WatchState;
  static void wait_readable(const std::shared_ptr<WatchState>& state);
  static void on_readable(WatchState& state);  // Takes what arrived; on_gone when that was the end.

  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  Time deadline_ = Time::max();
  bool late_ = false;
  std::shared_ptr<WatchState> watch_;
};

}  // namespace ragtime::http
