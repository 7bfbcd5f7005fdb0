// ResponseParser: one reply from the bytes of a connection. Sans I/O; wraps Beast's parser.
//
// Thread safety: a parser belongs to one exchange.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>

#include "base/result.h"
#include "http/message.h"

namespace ragtime::http {

struct ResponseHead {
  int status = 0;
  Headers headers;
};

class ResponseParser {
 public:
  // `to_head` is a reply to HEAD, whose length fields describe a body that does not come.
  explicit ResponseParser(bool to_head);
  ~ResponseParser();

  // Takes bytes of the head from the front of the buffer; the head once it is complete. Interim replies are skipped.
  // Errors: unavailable for what is not HTTP.
  Result<std::optional<ResponseHead>> read_head(boost::beast::flat_buffer& buffer);

  // Takes bytes of the body from the front of the buffer and appends what they carry to `out`, at most `bytes_max`.
  // False when nothing more can be taken before more bytes arrive. Errors: unavailable for bad framing.
  Result<bool> read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max);

  // The connection has ended. Errors: unavailable when that cut the reply.
  Result<void> end_of_stream();

  bool body_done() const;
  // Whether the connection may carry another exchange after this one.
  bool keep_alive() const;

 private:
  struct Impl;
  const bool to_head_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ragtime::http
