#include "http/wire.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"

namespace ragtime::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadAheadBytes = 4096;
constexpr std::size_t kLingerReadBytes = 64u << 10;
constexpr int kLingerReadsMax = 1024;

}  // namespace

// Kept alive by the pending wait; the wire stops it by clearing `wire`.
struct Wire::WatchState {
  Wire* wire = nullptr;
  std::size_t pipelined_bytes_max = 0;
  std::function<void()> on_gone;
  asio::cancellation_signal stop;
};

Wire::Wire(asio::ip::tcp::socket socket, std::size_t buffer_bytes_max)
    : socket_(std::move(socket)), buffer_(buffer_bytes_max) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

Wire::~Wire() {
  unwatch();
}

void Wire::release_memory() {
  if (buffer_.capacity() > 2 * kReadAheadBytes) buffer_.shrink_to_fit();
}

Task<bool> Wire::fill(std::size_t bytes_max, Time deadline) {
  RAGTIME_CHECK(!watch_);
  late_ = false;
  const std::size_t room = std::min(buffer_.max_size() - buffer_.size(), bytes_max);
  if (room == 0) co_return false;
  deadline_ = deadline;
  const auto space = buffer_.prepare(room);
  auto [error, bytes] = co_await socket_.async_read_some(space, kAwait);
  deadline_ = Time::max();
  if (error) co_return false;
  buffer_.commit(bytes);
  co_return !late_;
}

Task<bool> Wire::write(std::vector<asio::const_buffer> pieces, std::chrono::milliseconds timeout) {
  late_ = false;
  std::erase_if(pieces, [](const asio::const_buffer& piece) { return piece.size() == 0; });
  while (!pieces.empty()) {
    deadline_ = std::chrono::steady_clock::now() + timeout;
    auto [error, bytes] = co_await socket_.async_write_some(pieces, kAwait);
    deadline_ = Time::max();
    if (error || late_) co_return false;
    while (!pieces.empty() && bytes >= pieces.front().size()) {
      bytes -= pieces.front().size();
      pieces.erase(pieces.begin());
    }
    if (!pieces.empty()) pieces.front() += bytes;
  }
  co_return true;
}

Task<> Wire::linger(std::chrono::milliseconds timeout) {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  const Time deadline = std::chrono::steady_clock::now() + timeout;
  for (int reads = 0; reads < kLingerReadsMax; ++reads) {
    buffer_.clear();
    const bool arrived = co_await fill(kLingerReadBytes, deadline);
    if (!arrived) break;
  }
}

void Wire::expire(Time now) {
  if (now < deadline_) return;
  deadline_ = Time::max();
  late_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Wire::watch(std::size_t pipelined_bytes_max, std::function<void()> on_gone) {
  RAGTIME_CHECK(!watch_);
  watch_ = std::make_shared<WatchState>();
  watch_->wire = this;
  watch_->pipelined_bytes_max = pipelined_bytes_max;
  watch_->on_gone = std::move(on_gone);
  wait_readable(watch_);
}

void Wire::unwatch() {
  if (!watch_) return;
  const auto state = std::exchange(watch_, nullptr);
  state->wire = nullptr;
  state->stop.emit(asio::cancellation_type::all);
}

void Wire::wait_readable(const std::shared_ptr<WatchState>& state) {
  state->wire->socket_.async_wait(
      asio::ip::tcp::socket::wait_read,
      asio::bind_cancellation_slot(state->stop.slot(), [state](const boost::system::error_code& error) {
        if (state->wire == nullptr || error == asio::error::operation_aborted) return;
        on_readable(*state);
        if (state->on_gone && state->wire->buffer_.size() < state->pipelined_bytes_max) wait_readable(state);
      }));
}

void Wire::on_readable(WatchState& state) {
  auto& wire = *state.wire;
  boost::system::error_code error;
  const std::size_t bytes = wire.socket_.read_some(wire.buffer_.prepare(kReadAheadBytes), error);
  wire.buffer_.commit(bytes);
  if (error && error != asio::error::would_block) std::exchange(state.on_gone, nullptr)();
}

void Wire::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

std::string Wire::remote_address() const {
  boost::system::error_code error;
  const auto endpoint = socket_.remote_endpoint(error);
  return error ? std::string() : endpoint.address().to_string();
}

}  // namespace ragtime::http
