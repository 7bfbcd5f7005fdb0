// RequestParser: one request after another from the bytes of a connection. Sans I/O; strict framing (see framing.h).
//
// Beyond framing, a request needs exactly one Host that is a name or address with an optional port (HTTP/1.0 may have
// none), a target of one of the forms that an origin server takes, in printable ASCII, and HTTP/1.0 or 1.1; the
// absolute form must name the same authority as Host. One empty line before a request is skipped (RFC 9112 § 2.2).
// Thread safety: a parser belongs to one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>

#include "base/result.h"
#include "http/framing.h"
#include "http/message.h"

namespace ragtime::http {

struct RequestHead {
  std::string method;
  std::string target;
  Headers headers;
  bool http_1_1 = true;
  bool keep_alive = true;
  bool expects_continue = false;
  std::optional<std::uint64_t> content_length;
};

struct RequestLimits {
  std::size_t head_bytes_max = 32u << 10;
  std::size_t target_bytes_max = 8u << 10;
  std::size_t fields_max = 100;
};

class RequestParser {
 public:
  explicit RequestParser(RequestLimits limits) : limits_(limits) {}

  // Forgets the last request; call before each read_head() sequence.
  void reset();

  // Takes the head from the front of the buffer once it is complete. Something wrong is told as soon as it is there.
  // Errors: invalid_argument for bad syntax or framing, too_large over a limit, unsupported; see rejection().
  Result<std::optional<RequestHead>> read_head(boost::beast::flat_buffer& buffer);
  // The status that fits the error of read_head(): 400, 414, 417, 431 or 505.
  int rejection() const { return rejection_; }

  // Takes bytes of the body from the front of the buffer and appends what they carry to `out`, at most `bytes_max` of
  // it. False when nothing more can be taken before more bytes arrive. Errors: invalid_argument for bad framing.
  Result<bool> read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max);
  bool body_done() const { return body_.done(); }
  // Of the body, when its length is known.
  std::optional<std::uint64_t> bytes_left() const { return body_.bytes_left(); }

 private:
  Error reject(int status, std::string what);
  Result<void> check_first_line(std::string_view line);
  Result<void> check_unfinished(std::string_view bytes);
  Result<RequestHead> parse(std::string_view head);

  const RequestLimits limits_;
  HeadScanner scanner_;
  bool skipped_line_ = false;
  bool first_line_checked_ = false;
  int rejection_ = 400;
  BodyDecoder body_;
};

}  // namespace ragtime::http
