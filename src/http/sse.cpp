#include "http/sse.h"

#include <utility>

#include "base/check.h"

namespace ragtime::http {

std::string format_sse(std::string_view event, std::string_view data) {
  RAGTIME_CHECK(event.find_first_of("\r\n") == std::string_view::npos);
  std::string out;
  out.reserve(event.size() + data.size() + 32);
  if (!event.empty()) out.append("event: ").append(event).append("\n");
  while (true) {
    const auto end = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(data.substr(end, 2) == "\r\n" ? end + 2 : end + 1);
  }
  out += '\n';
  return out;
}

std::vector<SseEvent> SseParser::feed(std::string_view bytes) {
  std::vector<SseEvent> out;
  while (!bytes.empty()) {
    if (std::exchange(skip_newline_, false) && bytes[0] == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const auto end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) break;
    skip_newline_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    take_line(out);
  }
  return out;
}

void SseParser::take_line(std::vector<SseEvent>& out) {
  std::string_view line = line_;
  if (std::exchange(first_line_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) {
    if (has_data_) out.push_back(current_);
    current_.event.clear();
    current_.data.clear();
    has_data_ = false;
  } else {
    const auto colon = line.find(':');
    const auto field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
      if (std::exchange(has_data_, true)) current_.data += '\n';
      current_.data += value;
    } else if (field == "event") {
      current_.event = value;
    } else if (field == "id" && value.find('\0') == std::string_view::npos) {
      current_.id = value;
    }
  }
  line_.clear();
}

}  // namespace ragtime::http
