// WebSocket (RFC 6455), the server's side of one connection after its upgrade: what a handler sees of it.
//
// Pings, pongs and the closing handshake happen beside the handler. Messages that were received wait in a bounded
// queue; while it is full nothing more is read. Senders wait while the unsent bytes are over their limit; a client that
// takes nothing for the server's write timeout is dropped. When the connection ends, whoever ended it, the request's
// context is cancelled. No extension is negotiated, compression neither.
// Thread safety: belongs to the loop of its connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"

namespace ragtime::http {

struct WebSocketMessage {
  bool text = true;  // UTF-8, checked.
  std::string data;
};

enum class WebSocketClose : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  bad_text = 1007,
  policy = 1008,
  too_large = 1009,
  internal = 1011,
  try_again = 1013,
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // The next whole message; empty when there will be none: the connection has ended or the server drains.
  virtual Task<std::optional<WebSocketMessage>> receive() = 0;
  // Queues a text message. Errors: cancelled when the connection has ended.
  virtual Task<Result<void>> send(std::string_view text) = 0;
  // Begins the closing handshake; nothing can be sent after it. Idempotent.
  virtual void close(WebSocketClose code, std::string_view reason) = 0;
};

}  // namespace ragtime::http
