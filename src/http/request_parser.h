// RequestParser: one request after another from the bytes of a connection. Sans I/O; wraps Beast's parser.
//
// Stricter than Beast where looseness lets two servers disagree about where a request ends (RFC 9112 § 6 and § 11.2):
// Content-Length beside Transfer-Encoding, codings other than a final "chunked", a missing or repeated Host.
// Thread safety: a parser belongs to one connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>

#include "base/result.h"
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

class RequestParser {
 public:
  explicit RequestParser(std::size_t header_bytes_max);
  ~RequestParser();

  // Forgets the last request; call before each read_head() sequence.
  void reset();

  // Takes bytes of the head from the front of the buffer; the head once it is complete.
  // Errors: invalid_argument for bad syntax or framing, too_large over the header limit.
  Result<std::optional<RequestHead>> read_head(boost::beast::flat_buffer& buffer);

  // Takes bytes of the body from the front of the buffer and appends what they carry to `out`, at most `bytes_max` of
  // it. False when nothing more can be taken before more bytes arrive. Errors: invalid_argument for bad framing.
  Result<bool> read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max);
  bool body_done() const;
  // Of the body, when its length is known.
  std::optional<std::uint64_t> bytes_left() const;

 private:
  struct Impl;
  const std::size_t header_bytes_max_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ragtime::http
