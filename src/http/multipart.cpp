#include "http/multipart.h"

#include <algorithm>
#include <utility>

#include "http/ascii.h"
#include "http/parameters.h"
#include "http/target.h"

namespace ragtime::http {
namespace {

using Event = MultipartParser::Event;

constexpr std::size_t kHeadBytesMax = 16u << 10;
constexpr std::size_t kBoundaryCharsMax = 70;  // RFC 2046 § 5.1.1.
constexpr std::size_t kBoundaryPaddingMax = 256;

Error bad(std::string what) {
  return make_error(ErrorCode::invalid_argument, "multipart body: " + std::move(what));
}

// RFC 5987's `utf-8''percent-encoded`; some clients send it for names that are not ASCII.
std::optional<std::string> decode_extended(std::string_view value) {
  const auto charset_end = value.find('\'');
  if (charset_end == std::string_view::npos || !equal_ignoring_case(value.substr(0, charset_end), "utf-8")) return {};
  const auto language_end = value.find('\'', charset_end + 1);
  if (language_end == std::string_view::npos) return {};
  return percent_decode(value.substr(language_end + 1));
}

Result<void> read_disposition(std::string_view value, Event& part) {
  const auto parsed = parse_parameters(value);
  if (!parsed || parsed->value != "form-data") return bad("a part's Content-Disposition is not form-data");
  const auto name = parsed->params.find("name");
  if (name == parsed->params.end()) return bad("a part has no name");
  part.name = name->second;
  if (const auto plain = parsed->params.find("filename"); plain != parsed->params.end()) part.filename = plain->second;
  if (const auto extended = parsed->params.find("filename*"); extended != parsed->params.end()) {
    auto decoded = decode_extended(extended->second);
    if (!decoded) return bad("a part's file name has a broken encoding");
    part.filename = std::move(*decoded);
  }
  return {};
}

// `head` is the lines between the boundary and the empty line, each ended by CRLF.
Result<Event> parse_head(std::string_view head) {
  Event part{Event::Kind::part_begin, {}, {}, {}, {}};
  bool has_disposition = false;
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    const auto line = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), end == std::string_view::npos ? head.size() : end + 2));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return bad("a part's head is malformed");
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (equal_ignoring_case(name, "content-disposition")) {
      has_disposition = true;
      RAGTIME_TRY_DONE(read_disposition(value, part));
    } else if (equal_ignoring_case(name, "content-type")) {
      part.content_type = value;
    }
  }
  if (!has_disposition) return bad("a part has no Content-Disposition");
  return part;
}

}  // namespace

MultipartParser::MultipartParser(std::string_view boundary)
    : delimiter_("\r\n--" + std::string(boundary)), buffer_("\r\n") {}

Result<MultipartParser> MultipartParser::create(std::string_view content_type) {
  const auto parsed = parse_parameters(content_type);
  if (!parsed || parsed->value != "multipart/form-data") {
    return make_error(ErrorCode::invalid_argument, "the Content-Type must be multipart/form-data", "Content-Type");
  }
  const auto boundary = parsed->params.find("boundary");
  if (boundary == parsed->params.end() || boundary->second.empty() || boundary->second.size() > kBoundaryCharsMax) {
    return make_error(ErrorCode::invalid_argument, "multipart/form-data needs a boundary of 1 to 70 characters",
                      "Content-Type");
  }
  return MultipartParser(boundary->second);
}

Result<std::vector<Event>> MultipartParser::feed(std::string_view bytes) {
  std::vector<Event> out;
  if (phase_ == Phase::epilogue) return out;
  buffer_ += bytes;
  while (true) {
    RAGTIME_TRY(const bool progress, step(out));
    if (!progress) return out;
  }
}

Result<bool> MultipartParser::step(std::vector<Event>& out) {
  switch (phase_) {
    case Phase::preamble:
      return skip_preamble();
    case Phase::boundary_end:
      return end_boundary(out);
    case Phase::head:
      return take_head(out);
    case Phase::data:
      return take_data(out);
    case Phase::epilogue:
      break;
  }
  buffer_.clear();
  return false;
}

bool MultipartParser::skip_preamble() {
  const auto found = buffer_.find(delimiter_);
  if (found == std::string::npos) {
    if (buffer_.size() >= delimiter_.size()) buffer_.erase(0, buffer_.size() - delimiter_.size() + 1);
    return false;
  }
  buffer_.erase(0, found + delimiter_.size());
  phase_ = Phase::boundary_end;
  return true;
}

// After a boundary: "--" ends the body; else padding and a line end, which stays in front of the head.
Result<bool> MultipartParser::end_boundary(std::vector<Event>& out) {
  if (buffer_.size() < 2) return false;
  if (buffer_.starts_with("--")) {
    out.push_back({Event::Kind::end, {}, {}, {}, {}});
    phase_ = Phase::epilogue;
    return true;
  }
  const auto padding = buffer_.find_first_not_of(" \t");
  if (padding == std::string::npos || padding + 2 > buffer_.size()) {
    if (buffer_.size() > kBoundaryPaddingMax) return bad("a boundary line is too long");
    return false;
  }
  if (buffer_.compare(padding, 2, "\r\n") != 0) return bad("a boundary is followed by other text");
  buffer_.erase(0, padding);
  phase_ = Phase::head;
  return true;
}

Result<bool> MultipartParser::take_head(std::vector<Event>& out) {
  const auto end = buffer_.find("\r\n\r\n");
  if (std::min(end, buffer_.size()) > kHeadBytesMax) return bad("a part's head is over 16 KiB");
  if (end == std::string::npos) return false;
  const auto head = std::string_view(buffer_).substr(2, end < 2 ? 0 : end - 2);
  RAGTIME_TRY(auto part, parse_head(head));
  out.push_back(std::move(part));
  buffer_.erase(0, end + 4);
  phase_ = Phase::data;
  return true;
}

bool MultipartParser::take_data(std::vector<Event>& out) {
  const auto found = buffer_.find(delimiter_);
  // Without a boundary, all but what could be the beginning of one is data.
  const auto data_size = found != std::string::npos            ? found
                         : buffer_.size() >= delimiter_.size() ? buffer_.size() - delimiter_.size() + 1
                                                               : 0;
  if (data_size > 0) {
    out.push_back({Event::Kind::part_data, {}, {}, {}, buffer_.substr(0, data_size)});
    buffer_.erase(0, data_size);
  }
  if (found == std::string::npos) return false;
  out.push_back({Event::Kind::part_end, {}, {}, {}, {}});
  buffer_.erase(0, delimiter_.size());
  phase_ = Phase::boundary_end;
  return true;
}

}  // namespace ragtime::http
