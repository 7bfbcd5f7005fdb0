// The framing of HTTP/1.1 messages, strictly (RFC 9112): where a head ends, its fields, how long the body is, chunks.
//
// What is strict: lines end with CRLF and nothing else; no folded lines, no white space before a colon, no control
// characters, no underscore in names; at most one Content-Length, of digits without leading zeros; at most one
// Transfer-Encoding, "chunked" alone; never both; chunk sizes of hexadecimal digits alone; bounded extensions and
// trailers, and no trailer that could change the meaning of the message.
// Replies may have underscores in names, since no server asks for anything by them.
// Sans I/O. Thread safety: pure functions; a decoder belongs to one message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace ragtime::http {

// Finds the empty line that ends a head, in bytes that come in pieces.
class HeadScanner {
 public:
  enum class State { more, complete, bad_line };
  // `bytes` is everything so far, from the start of the head; what was looked at before is not looked at again.
  State scan(std::string_view bytes);
  // Length of the head with its empty line, once complete.
  std::size_t size() const { return scanned_; }
  // Length of the first line without its end, once it has one; npos before.
  std::size_t first_line() const { return first_line_; }

 private:
  std::size_t scanned_ = 0;
  std::size_t line_start_ = 0;
  std::size_t first_line_ = std::string_view::npos;
};

enum class Underscores { refused, allowed };

// The lines between the first one and the empty one, with their line ends. Errors: invalid_argument (syntax),
// too_large (more than `fields_max`).
Result<Headers> parse_fields(std::string_view lines, std::size_t fields_max, Underscores underscores);

struct BodyLength {
  bool chunked = false;
  std::optional<std::uint64_t> bytes;  // Of Content-Length.
};

// Errors: invalid_argument for anything but one proper Content-Length or one "chunked", or none of both.
Result<BodyLength> parse_body_length(const Headers& headers, bool http_1_1);

// Whether a Connection field has this (lower-case) option.
bool has_connection_option(const Headers& headers, std::string_view option);

// A body of chunks, as its bytes come.
class ChunkDecoder {
 public:
  // Appends at most `bytes_max` bytes of the body to `out`. Returns how many bytes of the input were used; it stops
  // early at the body's end and when `out` is full. Errors: invalid_argument.
  Result<std::size_t> decode(std::string_view input, std::string& out, std::size_t bytes_max);
  bool done() const { return state_ == State::done; }

 private:
  enum class State { size_line, data, data_end, trailers, done };

  // Each takes bytes from the front of the input and returns how many.
  Result<std::size_t> take_size_line(std::string_view input);
  Result<std::size_t> take_data_end(std::string_view input);
  Result<std::size_t> take_trailers(std::string_view input);
  Result<std::size_t> collect_line(std::string_view input, std::size_t bytes_max);
  Result<void> parse_size(std::string_view line);

  State state_ = State::size_line;
  std::uint64_t left_ = 0;           // Of the chunk.
  std::string line_;                 // The beginning of a line that is not complete, or of the trailers.
  std::size_t extension_bytes_ = 0;  // Of all chunks so far.
  HeadScanner trailers_;
};

// The body of one message, whichever way it is framed.
class BodyDecoder {
 public:
  enum class Kind { none, sized, chunked, until_close };

  void start(Kind kind, std::uint64_t bytes = 0);
  // As ChunkDecoder::decode().
  Result<std::size_t> decode(std::string_view input, std::string& out, std::size_t bytes_max);
  bool done() const { return kind_ == Kind::chunked ? chunks_.done() : kind_ != Kind::until_close && left_ == 0; }
  Kind kind() const { return kind_; }
  // Empty when not known.
  std::optional<std::uint64_t> bytes_left() const;

 private:
  Kind kind_ = Kind::none;
  std::uint64_t left_ = 0;
  ChunkDecoder chunks_;
};

}  // namespace ragtime::http
