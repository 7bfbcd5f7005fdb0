// Body bytes out of one of Beast's parsers over buffer_body, for requests and replies alike.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace ragtime::http {

// Appends at most `bytes_max` bytes of body to `out` and takes what carried them from the buffer. True when something
// was appended or the body is complete; `error` tells of bad framing.
template <bool is_request>
bool parse_body(boost::beast::http::parser<is_request, boost::beast::http::buffer_body>& parser,
                boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max,
                boost::beast::error_code& error) {
  namespace beast = boost::beast;
  const std::size_t before = out.size();
  const std::size_t room = std::min(bytes_max, buffer.size());
  out.resize(before + room);
  auto& body = parser.get().body();
  body.data = out.data() + before;
  body.size = room;
  while (!error && !parser.is_done() && buffer.size() > 0) buffer.consume(parser.put(buffer.data(), error));
  const bool progress = body.size < room;
  out.resize(before + room - body.size);
  body.data = nullptr;
  body.size = 0;
  if (error == beast::http::error::need_more || error == beast::http::error::need_buffer) error = {};
  return progress || parser.is_done();
}

}  // namespace ragtime::http
