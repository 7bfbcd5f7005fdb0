// The frames of RFC 6455 § 5 as a server reads and writes them. Sans I/O.
//
// Strict: frames from the client are masked, lengths are in their shortest form, reserved bits are zero, opcodes known,
// control frames whole and short, text and close reasons UTF-8, close codes allowed on the wire.
// Thread safety: a reader belongs to one connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/websocket.h"

namespace ragtime::http {

enum class WebSocketOpcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

std::string format_websocket_frame(WebSocketOpcode opcode, std::string_view payload);
// Cuts a reason that would not fit.
std::string format_websocket_close(WebSocketClose code, std::string_view reason);

class WebSocketReader {
 public:
  enum class Event { more, message, ping, pong, close, failure };

  explicit WebSocketReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Takes bytes off the front of `input` up to the next event; `more` when all were used without one. Nothing may be
  // read after a close or a failure.
  Event next(std::string_view& input);

  // Of the last message, ping or pong; of a close its reason. Valid until the next call.
  std::string& payload() { return event_payload_; }
  bool text() const { return message_opcode_ == WebSocketOpcode::text; }
  // What the closing frame should carry: of a failure why it is one, of a close what the client said (1005: nothing).
  std::uint16_t close_code() const { return close_code_; }

 private:
  bool take_header(std::string_view& input);
  std::size_t header_size() const;
  Event check_header();
  Event fail(WebSocketClose code, std::string_view why);
  void take_payload(std::string_view& input);
  Event finish_frame();
  Event finish_close();
  bool is_control() const { return static_cast<std::uint8_t>(opcode_) >= 8; }

  const std::size_t message_bytes_max_;
  std::array<unsigned char, 14> header_{};
  std::size_t header_bytes_ = 0;
  bool in_payload_ = false;
  bool final_ = false;
  WebSocketOpcode opcode_ = WebSocketOpcode::continuation;
  std::uint64_t left_ = 0;      // Of the frame's payload.
  std::uint64_t position_ = 0;  // In the frame's payload.
  std::array<unsigned char, 4> mask_{};
  bool in_message_ = false;  // A fragment has come, its end not yet.
  WebSocketOpcode message_opcode_ = WebSocketOpcode::text;
  std::string message_;
  std::string control_;
  std::string event_payload_;
  std::uint16_t close_code_ = 0;
};

}  // namespace ragtime::http
