#include "http/websocket_frame.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace ragtime::http {
namespace {

constexpr std::size_t kControlBytesMax = 125;
constexpr std::uint16_t kNoCode = 1005;

bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool is_known(unsigned opcode) {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

std::string format_websocket_frame(WebSocketOpcode opcode, std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 10);
  out += static_cast<char>(0x80 | static_cast<unsigned>(opcode));
  const auto append = [&](std::uint64_t size, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  };
  if (payload.size() < 126) {
    append(payload.size(), 1);
  } else if (payload.size() < 65536) {
    out += static_cast<char>(126);
    append(payload.size(), 2);
  } else {
    out += static_cast<char>(127);
    append(payload.size(), 8);
  }
  out += payload;
  return out;
}

std::string format_websocket_close(WebSocketClose code, std::string_view reason) {
  const auto number = static_cast<unsigned>(code);
  std::string payload = {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  reason = reason.substr(0, kControlBytesMax - 2);
  while (!reason.empty() && !text::is_valid_utf8(reason)) reason.remove_suffix(1);
  payload += reason;
  return format_websocket_frame(WebSocketOpcode::close, payload);
}

WebSocketReader::Event WebSocketReader::fail(WebSocketClose code, std::string_view why) {
  close_code_ = static_cast<std::uint16_t>(code);
  event_payload_ = why;
  return Event::failure;
}

std::size_t WebSocketReader::header_size() const {
  if (header_bytes_ < 2) return 2;
  const unsigned size = header_[1] & 0x7f;
  const std::size_t mask = (header_[1] & 0x80) != 0 ? 4 : 0;
  return 2 + mask + (size == 126 ? 2 : size == 127 ? 8 : 0);
}

// True once the header is whole.
bool WebSocketReader::take_header(std::string_view& input) {
  while (header_bytes_ < header_size() && !input.empty()) {
    header_[header_bytes_++] = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
  }
  return header_bytes_ == header_size();
}

WebSocketReader::Event WebSocketReader::check_header() {
  const unsigned opcode = header_[0] & 0x0f;
  if ((header_[0] & 0x70) != 0) return fail(WebSocketClose::protocol_error, "reserved bits are set");
  if (!is_known(opcode)) return fail(WebSocketClose::protocol_error, "unknown opcode");
  if ((header_[1] & 0x80) == 0) return fail(WebSocketClose::protocol_error, "a frame is not masked");
  final_ = (header_[0] & 0x80) != 0;
  opcode_ = static_cast<WebSocketOpcode>(opcode);
  const unsigned size = header_[1] & 0x7f;
  const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
  left_ = extra == 0 ? size : 0;
  for (std::size_t i = 0; i < extra; ++i) left_ = left_ << 8 | header_[2 + i];
  const bool shortest = extra == 0 || left_ >= (extra == 2 ? 126u : 65536u);
  if (!shortest || left_ >> 63 != 0) return fail(WebSocketClose::protocol_error, "a length is not in its shortest form");
  std::copy_n(header_.begin() + 2 + static_cast<std::ptrdiff_t>(extra), 4, mask_.begin());
  if (is_control()) {
    if (!final_ || left_ > kControlBytesMax) {
      return fail(WebSocketClose::protocol_error, "a control frame is fragmented or too long");
    }
  } else if ((opcode_ == WebSocketOpcode::continuation) != in_message_) {
    return fail(WebSocketClose::protocol_error, "a fragment is out of place");
  } else if (left_ > message_bytes_max_ - message_.size()) {
    return fail(WebSocketClose::too_large, "the message is too large");
  }
  if (opcode_ == WebSocketOpcode::text || opcode_ == WebSocketOpcode::binary) message_opcode_ = opcode_;
  position_ = 0;
  in_payload_ = true;
  return Event::more;
}

void WebSocketReader::take_payload(std::string_view& input) {
  std::string& out = is_control() ? control_ : message_;
  const auto piece = input.substr(0, left_);
  const std::size_t start = out.size();
  out.append(piece);
  for (std::size_t i = 0; i < piece.size(); ++i) {
    out[start + i] = static_cast<char>(static_cast<unsigned char>(piece[i]) ^ mask_[(position_ + i) % 4]);
  }
  position_ += piece.size();
  left_ -= piece.size();
  input.remove_prefix(piece.size());
}

WebSocketReader::Event WebSocketReader::finish_close() {
  if (event_payload_.empty()) {
    close_code_ = kNoCode;
    return Event::close;
  }
  if (event_payload_.size() == 1) return fail(WebSocketClose::protocol_error, "a close code of one byte");
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(event_payload_[i])); };
  const unsigned code = byte(0) << 8 | byte(1);
  if (!is_close_code(code)) return fail(WebSocketClose::protocol_error, "a close code that may not be sent");
  event_payload_.erase(0, 2);
  if (!text::is_valid_utf8(event_payload_)) return fail(WebSocketClose::bad_text, "a close reason is not UTF-8");
  close_code_ = static_cast<std::uint16_t>(code);
  return Event::close;
}

WebSocketReader::Event WebSocketReader::finish_frame() {
  header_bytes_ = 0;
  in_payload_ = false;
  if (is_control()) {
    event_payload_ = std::exchange(control_, {});
    if (opcode_ == WebSocketOpcode::close) return finish_close();
    return opcode_ == WebSocketOpcode::ping ? Event::ping : Event::pong;
  }
  in_message_ = !final_;
  if (!final_) return Event::more;
  event_payload_ = std::exchange(message_, {});
  if (text() && !text::is_valid_utf8(event_payload_)) return fail(WebSocketClose::bad_text, "a text is not UTF-8");
  return Event::message;
}

WebSocketReader::Event WebSocketReader::next(std::string_view& input) {
  while (true) {
    if (!in_payload_) {
      if (!take_header(input)) return Event::more;
      if (const auto event = check_header(); event != Event::more) return event;
    }
    take_payload(input);
    if (left_ > 0) return Event::more;
    if (const auto event = finish_frame(); event != Event::more) return event;
  }
}

}  // namespace ragtime::http
