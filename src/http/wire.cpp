#include "http/wire.h"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"

namespace ragtime::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadAheadBytes = 4096;
constexpr std::size_t kLingerReadBytes = 64u << 10;
constexpr int kLingerReadsMax = 1024;

// Takes so many bytes, and whatever is empty then, off the front.
void drop_front(Wire::Pieces& pieces, std::size_t bytes) {
  while (!pieces.empty() && bytes >= pieces.front().size()) {
    bytes -= pieces.front().size();
    pieces.erase(pieces.begin());
  }
  if (!pieces.empty()) pieces.front() += bytes;
}

}  // namespace

// Kept alive by the pending wait; the wire stops it by clearing `wire`.
struct Wire::WatchState {
  Wire* wire = nullptr;
  std::size_t pipelined_bytes_max = 0;
  std::function<void()> on_gone;
  asio::cancellation_signal stop;
};

Wire::Wire(asio::ip::tcp::socket socket, std::size_t buffer_bytes_max)
    : socket_(std::move(socket)), buffer_(buffer_bytes_max), self_(std::make_shared<Wire*>(this)) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

Wire::~Wire() {
  *self_ = nullptr;
  unwatch();
}

void Wire::release_memory(std::size_t bytes_kept) {
  if (buffer_.size() == 0 && buffer_.capacity() > bytes_kept) buffer_.shrink_to_fit();
}

Task<bool> Wire::fill(std::size_t bytes_max, Time deadline) {
  RAGTIME_CHECK(!watch_);
  late_ = false;
  const std::size_t room = std::min(buffer_.max_size() - buffer_.size(), bytes_max);
  if (room == 0) co_return false;
  read_deadline_ = deadline;
  const auto space = buffer_.prepare(room);
  auto [error, bytes] = co_await socket_.async_read_some(space, kAwait);
  read_deadline_ = Time::max();
  if (error) co_return false;
  buffer_.commit(bytes);
  co_return !late_;
}

boost::system::error_code Wire::write_now(Pieces& pieces) {
  boost::system::error_code error;
  while (!pieces.empty() && !error) drop_front(pieces, socket_.write_some(pieces, error));
  return error;
}

Task<bool> Wire::write(Pieces pieces, Patience patience) {
  RAGTIME_CHECK(!writing_);
  late_ = false;
  const std::string queued = std::exchange(queued_, {});
  if (!queued.empty()) pieces.insert(pieces.begin(), asio::const_buffer(queued.data(), queued.size()));
  drop_front(pieces, 0);
  auto error = write_now(pieces);
  if (!error) co_return true;
  if (error != asio::error::would_block) co_return false;
  writing_ = true;
  const Time start = std::chrono::steady_clock::now();
  const double seconds_per_byte = 1.0 / static_cast<double>(std::max<std::size_t>(patience.bytes_per_second_min, 1));
  std::size_t sent = 0;
  while (!pieces.empty()) {
    const std::chrono::duration<double> earned(static_cast<double>(sent) * seconds_per_byte);
    write_deadline_ = start + patience.timeout + std::chrono::duration_cast<Time::duration>(earned);
    auto [failure, bytes] = co_await socket_.async_write_some(pieces, kAwait);
    write_deadline_ = Time::max();
    if (failure || late_) break;
    sent += bytes;
    drop_front(pieces, bytes);
  }
  writing_ = false;
  co_return pieces.empty();
}

void Wire::send_queued() {
  if (writing_ || queued_.empty()) return;
  Pieces pieces;
  pieces.emplace_back(queued_.data(), queued_.size());
  write_now(pieces);  // What is wrong with the connection is seen by the next write.
  const std::size_t left = pieces.empty() ? 0 : pieces.front().size();
  queued_.erase(0, queued_.size() - left);
}

void Wire::send_queued_soon() {
  asio::post(socket_.get_executor(), [self = self_] {
    if (*self != nullptr) (*self)->send_queued();
  });
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
  if (now < read_deadline_ && now < write_deadline_) return;
  read_deadline_ = write_deadline_ = Time::max();
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
