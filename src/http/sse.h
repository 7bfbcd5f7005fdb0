// Server-sent events: writing one, and an incremental parser. Sans I/O; WHATWG HTML § 9.2.
//
// Thread safety: a parser belongs to one stream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ragtime::http {

struct SseEvent {
  std::string event;  // Empty when the stream named none ("message" by the standard).
  std::string data;   // Lines joined with \n.
  std::string id;
};

// "event: NAME\ndata: …\n\n"; without the first line when `event` is empty. Every line of `data` gets its own field.
std::string format_sse(std::string_view event, std::string_view data);

class SseParser {
 public:
  // Events completed by these bytes. Accepts \n, \r\n and \r, comments, a byte order mark, any split of the bytes.
  std::vector<SseEvent> feed(std::string_view bytes);
  // Bytes of an event that has no end yet; a bound for the caller to check.
  std::size_t pending_bytes() const { return line_.size() + current_.data.size(); }

 private:
  void take_line(std::vector<SseEvent>& out);

  std::string line_;
  SseEvent current_;
  bool has_data_ = false;
  bool skip_newline_ = false;
  bool first_line_ = true;
};

}  // namespace ragtime::http
