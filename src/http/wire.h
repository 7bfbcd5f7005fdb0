// Wire: the socket of one connection of the server, with its read buffer, a deadline for each direction, and a watch
// for the peer's leaving while nobody reads.
//
// One coroutine may read while another writes. Thread safety: belongs to the loop of its socket.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/container/small_vector.hpp>

#include "async/task.h"

namespace ragtime::http {

class Wire {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Pieces = boost::container::small_vector<asio::const_buffer, 5>;

  // How long a write may take: `timeout`, and longer only as long as the peer takes `bytes_per_second_min`.
  struct Patience {
    std::chrono::milliseconds timeout;
    std::size_t bytes_per_second_min;
  };

  // `buffer_bytes_max` bounds what is read ahead.
  Wire(asio::ip::tcp::socket socket, std::size_t buffer_bytes_max);
  ~Wire();

  // Unread bytes; parsers take from its front.
  boost::beast::flat_buffer& buffer() { return buffer_; }
  // Gives back what the empty buffer grew to beyond `bytes_kept`, so that connections that wait stay small.
  void release_memory(std::size_t bytes_kept = 8192);

  // Reads up to `bytes_max` more bytes into the buffer. False at the end of the stream, when it is broken, late or
  // closed, or when the buffer is full. Precondition: not watching.
  Task<bool> fill(std::size_t bytes_max, Time deadline);

  // Sends everything, in order, at once as far as the kernel takes it. False when the connection is broken, late or
  // closed. Precondition: no other write is under way.
  Task<bool> write(Pieces pieces, Patience patience);

  // Puts a few bytes before the next write. send_queued() sends them when nothing else is being written and the kernel
  // takes them at once.
  void queue(std::string_view bytes) { queued_ += bytes; }
  void send_queued();
  // The same soon, from the loop, so that a write that comes first takes them along.
  void send_queued_soon();
  std::size_t queued_bytes() const { return queued_.size(); }
  bool writing() const { return writing_; }

  // After a last reply: tells the peer that nothing more comes and waits briefly for it to close, because closing with
  // unread bytes would reset the connection and could destroy the reply on its way.
  Task<> linger(std::chrono::milliseconds timeout);

  // Ends a read or write whose deadline has passed; the loop calls it now and then.
  void expire(Time now);
  // Whether the last operation ended that way.
  bool late() const { return late_; }

  // While watching, `on_gone` is called once when the peer has left; bytes that arrive are kept in the buffer.
  // After `pipelined_bytes_max` of them nothing more is read, and the peer's leaving stays unseen until unwatch().
  void watch(std::size_t pipelined_bytes_max, std::function<void()> on_gone);
  void unwatch();

  void close();
  std::string remote_address() const;

 private:
  struct WatchState;
  // Takes what was sent off the front; an error other than would_block means that the connection is broken.
  boost::system::error_code write_now(Pieces& pieces);
  static void wait_readable(const std::shared_ptr<WatchState>& state);
  static void on_readable(WatchState& state);  // Takes what arrived; on_gone when that was the end.

  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  Time read_deadline_ = Time::max();
  Time write_deadline_ = Time::max();
  bool late_ = false;
  bool writing_ = false;
  std::string queued_;
  const std::shared_ptr<Wire*> self_;  // For what is posted to the loop; null inside once the wire is gone.
  std::shared_ptr<WatchState> watch_;
};

}  // namespace ragtime::http
