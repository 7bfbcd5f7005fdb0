// Replies that an upstream may send; split or not, the same must come out.
#include <algorithm>
#include <string>
#include <string_view>

#include "http/response_parser.h"
#include "http/sse.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

std::string read(std::string_view bytes, std::size_t piece, bool to_head) {
  http::ResponseParser parser(to_head);
  http::SseParser events;
  boost::beast::flat_buffer buffer;
  std::string out;
  bool in_body = false;
  while (!bytes.empty()) {
    const auto next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    const auto space = buffer.prepare(next.size());
    std::ranges::copy(next, static_cast<char*>(space.data()));
    buffer.commit(next.size());
    if (!in_body) {
      auto head = parser.read_head(buffer);
      if (head.has_error()) return out + "!";
      if (!*head) continue;
      out += std::to_string((*head)->status);
      in_body = true;
    }
    std::string body;
    while (!parser.body_done()) {
      auto progress = parser.read_body(buffer, body, 1 << 20);
      if (progress.has_error()) return out + body + "!";
      if (!*progress || buffer.size() == 0) break;
    }
    out += body;
    events.feed(body);
    if (parser.body_done()) return out + ".";
  }
  return out + (parser.end_of_stream().has_value() ? "." : "cut");
}

}  // namespace

int http_response(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t piece = size == 0 ? 1 : 1 + data[size / 2] % 7;
  const bool to_head = size > 0 && data[size - 1] % 8 == 0;
  return read(bytes, std::max<std::size_t>(size, 1), to_head) == read(bytes, piece, to_head) ? 0 : 1;
}

}  // namespace ragtime::fuzz

RAGTIME_FUZZ_ENTRY(http_response);
