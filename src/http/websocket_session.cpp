#include "http/websocket_session.h"

#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/task_group.h"

namespace ragtime::http {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 16u << 10;

}  // namespace

WebSocketSession::Signal::Signal(const asio::any_io_executor& executor) : timer_(executor) {
  timer_.expires_at(Wire::Time::max());
}

Task<> WebSocketSession::Signal::wait() {
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

WebSocketSession::WebSocketSession(asio::any_io_executor executor, Wire& wire, Settings settings,
                                   RequestContext& context)
    : executor_(std::move(executor)),
      wire_(wire),
      settings_(settings),
      context_(context),
      reader_(settings.limits.message_bytes_max),
      received_(executor_),
      taken_(executor_),
      to_write_(executor_),
      written_(executor_),
      last_received_(steady_clock::now()) {}

Task<> WebSocketSession::run(const std::function<Task<>(WebSocket&)>& handler) {
  async::TaskGroup tasks(executor_);
  tasks.spawn(read_frames());
  tasks.spawn(write_frames());
  std::exception_ptr failure;
  try {
    co_await handler(*this);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) close(WebSocketClose::internal, "the server failed; its log says why");
  const bool leaving = draining_;
  close(leaving ? WebSocketClose::going_away : WebSocketClose::normal, leaving ? "the server is stopping" : "");
  co_await tasks.join();
  if (failure) std::rethrow_exception(failure);
}

Task<std::optional<WebSocketMessage>> WebSocketSession::receive() {
  std::optional<WebSocketMessage> message;
  while (!ended_ && !draining_ && !closing_ && incoming_.empty()) co_await received_.wait();
  if (ended_ || draining_ || closing_) co_return message;
  message = std::move(incoming_.front());
  incoming_.pop_front();
  taken_.wake();
  co_return message;
}

Task<Result<void>> WebSocketSession::send(std::string_view text) {
  while (!ended_ && !closing_ && unsent() > settings_.limits.outgoing_bytes_max) co_await written_.wait();
  if (ended_ || closing_) co_return make_error(ErrorCode::cancelled, "the WebSocket is closed");
  bytes_sent_ += text.size();
  put(format_websocket_frame(WebSocketOpcode::text, text));
  co_return Result<void>();
}

void WebSocketSession::close(WebSocketClose code, std::string_view reason) {
  if (ended_ || closing_) return;
  put(format_websocket_close(code, reason));
  closing_ = true;
  close_sent_ = steady_clock::now();
  received_.wake();
  taken_.wake();
  written_.wake();
}

void WebSocketSession::put(std::string frame) {
  wire_.queue(frame);
  wire_.send_queued();
  if (wire_.queued_bytes() > 0) to_write_.wake();
}

// The last step: nothing is read or written after it.
void WebSocketSession::end(std::string_view reason) {
  if (ended_) return;
  ended_ = true;
  end_reason_ = reason;
  context_.cancel();
  for (Signal* signal : {&received_, &taken_, &to_write_, &written_}) signal->wake();
}

void WebSocketSession::drain() {
  draining_ = true;
  received_.wake();
}

void WebSocketSession::tick(Wire::Time now) {
  if (ended_) return;
  const auto interval = settings_.limits.ping_interval;
  if (closing_) {
    if (now - close_sent_ < settings_.limits.close_timeout) return;
    end("gone");
    wire_.close();
  } else if (context_.deadline().expired()) {
    drain();
  } else if (incoming_.size() < settings_.limits.incoming_messages_max && now - last_received_ >= interval) {
    if (ping_sent_ == Wire::Time{}) {
      ping_sent_ = now;
      put(format_websocket_frame(WebSocketOpcode::ping, ""));
    } else if (now - ping_sent_ >= interval) {
      end("no_pong");
      wire_.close();
    }
  }
}

void WebSocketSession::take_close() {
  // Its code is sent back; an empty one is answered with 1000.
  const auto code = reader_.close_code();
  if (!closing_) close(code == 1005 ? WebSocketClose::normal : static_cast<WebSocketClose>(code), "");
  end("closed");
}

void WebSocketSession::take(WebSocketReader::Event event) {
  switch (event) {
    case WebSocketReader::Event::more:
    case WebSocketReader::Event::pong:
      break;
    case WebSocketReader::Event::message:
      if (!closing_) incoming_.push_back({reader_.text(), std::move(reader_.payload())});
      received_.wake();
      break;
    case WebSocketReader::Event::ping:
      // Whoever sends pings and does not read gets no more answers than there is room for.
      if (!closing_ && unsent() < settings_.limits.outgoing_bytes_max) {
        put(format_websocket_frame(WebSocketOpcode::pong, reader_.payload()));
      }
      break;
    case WebSocketReader::Event::close:
      take_close();
      break;
    case WebSocketReader::Event::failure:
      close(static_cast<WebSocketClose>(reader_.close_code()), reader_.payload());
      end("protocol");
      break;
  }
}

// False when the connection has ended.
Task<bool> WebSocketSession::read_more() {
  if (wire_.buffer().size() == 0) wire_.release_memory();
  const bool arrived = co_await wire_.fill(kReadBytes, Wire::Time::max());
  last_received_ = steady_clock::now();
  ping_sent_ = {};
  co_return arrived;
}

Task<> WebSocketSession::read_frames() {
  while (!ended_) {
    if (!closing_ && incoming_.size() >= settings_.limits.incoming_messages_max) {
      co_await taken_.wait();
      continue;
    }
    const auto bytes = wire_.buffer().cdata();
    std::string_view input(static_cast<const char*>(bytes.data()), bytes.size());
    const auto event = reader_.next(input);
    wire_.buffer().consume(bytes.size() - input.size());
    take(event);
    if (event != WebSocketReader::Event::more) continue;
    const bool arrived = co_await read_more();
    // Only writes have a deadline.
    if (!arrived) end(wire_.late() ? "slow_reader" : "gone");
  }
}

Task<> WebSocketSession::write_frames() {
  // After the end the closing frame may still be on its way.
  while (!ended_ || wire_.queued_bytes() > 0) {
    if (wire_.queued_bytes() == 0) {
      co_await to_write_.wait();
      continue;
    }
    in_flight_ = wire_.queued_bytes();
    const bool sent = co_await wire_.write({}, settings_.patience);
    in_flight_ = 0;
    if (!sent) {
      end(wire_.late() ? "slow_reader" : "gone");
      wire_.close();
      co_return;
    }
    written_.wake();
  }
}

}  // namespace ragtime::http
