// ResponseParser: one reply from the bytes of a connection. Sans I/O; strict framing (see framing.h).
//
// Thread safety: a parser belongs to one exchange.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>

#include "base/result.h"
#include "http/framing.h"
#include "http/message.h"

namespace ragtime::http {

struct ResponseHead {
  int status = 0;
  Headers headers;
};

class ResponseParser {
 public:
  // `to_head` is a reply to HEAD, whose length fields describe a body that does not come.
  explicit ResponseParser(bool to_head) : to_head_(to_head) {}

  // Takes the head from the front of the buffer once it is complete. Interim replies are skipped.
  // Errors: unavailable for what is not HTTP, or may be read in more than one way.
  Result<std::optional<ResponseHead>> read_head(boost::beast::flat_buffer& buffer);

  // Takes bytes of the body from the front of the buffer and appends what they carry to `out`, at most `bytes_max`.
  // False when nothing more can be taken before more bytes arrive. Errors: unavailable for bad framing.
  Result<bool> read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max);

  // The connection has ended. Errors: unavailable when that cut the reply.
  Result<void> end_of_stream();

  bool body_done() const { return head_done_ && (ended_ || body_.done()); }
  // Whether the connection may carry another exchange after this one.
  bool keep_alive() const { return keep_alive_; }

 private:
  Result<ResponseHead> parse(std::string_view head);
  Result<void> start_body(const ResponseHead& head, bool http_1_1);

  const bool to_head_;
  HeadScanner scanner_;
  BodyDecoder body_;
  int interim_replies_ = 0;
  bool head_done_ = false;
  bool keep_alive_ = false;
  bool ended_ = false;
};

}  // namespace ragtime::http
