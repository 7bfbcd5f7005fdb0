// WebSocketSession: a WebSocket over the wire of an upgraded connection. See websocket.h for its promises.
//
// Thread safety: belongs to the loop of its wire.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task.h"
#include "base/request_context.h"
#include "http/server.h"
#include "http/websocket.h"
#include "http/websocket_frame.h"
#include "http/wire.h"

namespace ragtime::http {

class WebSocketSession final : public WebSocket {
 public:
  struct Settings {
    WebSocketLimits limits;
    Wire::Patience patience;
  };

  // `wire` and `context` outlive the session; `context` is cancelled when the connection ends.
  WebSocketSession(asio::any_io_executor executor, Wire& wire, Settings settings, RequestContext& context);

  // Runs the handler, then the closing handshake, and returns when the connection carries nothing any more. Rethrows
  // what the handler throws, after closing with 1011.
  Task<> run(const std::function<Task<>(WebSocket&)>& handler);

  Task<std::optional<WebSocketMessage>> receive() override;
  Task<Result<void>> send(std::string_view text) override;
  void close(WebSocketClose code, std::string_view reason) override;

  // Called by the loop now and then: pings, and the ends of waits.
  void tick(Wire::Time now);
  // No message is received any more; once the handler has returned the connection is closed with 1001.
  void drain();

  // Why the connection ended, for the log: "closed", "gone", "slow_reader", "no_pong", "protocol".
  std::string_view end_reason() const { return end_reason_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  // Wakes whoever waits for a change, which it has to look for itself.
  class Signal {
   public:
    explicit Signal(const asio::any_io_executor& executor);
    Task<> wait();
    void wake() { timer_.cancel(); }

   private:
    asio::steady_timer timer_;
  };

  Task<> read_frames();
  Task<> write_frames();
  Task<bool> read_more();
  void take(WebSocketReader::Event event);
  void take_close();
  void put(std::string frame);
  void end(std::string_view reason);
  std::size_t unsent() const { return wire_.queued_bytes() + in_flight_; }

  const asio::any_io_executor executor_;
  Wire& wire_;
  const Settings settings_;
  RequestContext& context_;
  WebSocketReader reader_;
  std::deque<WebSocketMessage> incoming_;
  std::size_t in_flight_ = 0;  // Bytes of the write that is under way.
  std::uint64_t bytes_sent_ = 0;
  Signal received_;
  Signal taken_;     // A message was taken off incoming_.
  Signal to_write_;  // Something was queued that the kernel did not take at once.
  Signal written_;
  Wire::Time last_received_;
  Wire::Time ping_sent_{};  // Zero: none that was not answered.
  Wire::Time close_sent_{};
  bool draining_ = false;
  bool closing_ = false;  // Our closing frame is queued.
  bool ended_ = false;
  std::string_view end_reason_ = "closed";
};

}  // namespace ragtime::http
