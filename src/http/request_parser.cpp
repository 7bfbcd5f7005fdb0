#include "http/request_parser.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

constexpr std::size_t kMethodBytesMax = 32;

std::string_view text_of(const boost::beast::flat_buffer& buffer) {
  const auto data = buffer.cdata();
  return {static_cast<const char*>(data.data()), data.size()};
}

bool is_target_char(char c) {
  return c > ' ' && c < 0x7f && std::string_view("\\#\"<>").find(c) == std::string_view::npos;
}

bool is_host_char(char c) {
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
}

bool is_address_char(char c) {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f') || c == ':' || c == '.';
}

// "name", "name:80", "[::1]:80".
bool is_authority(std::string_view text) {
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    if (!std::ranges::all_of(text.substr(1, end - 1), is_address_char)) return false;
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    if (end == 0 || !std::ranges::all_of(text.substr(0, end), is_host_char)) return false;
  }
  if (end == text.size()) return true;
  const auto port = text.substr(end + 1);
  return text[end] == ':' && port.size() <= 5 && !port.empty() && std::ranges::all_of(port, is_digit);
}

struct FirstLine {
  std::string_view method;
  std::string_view target;
  std::string_view version;
};

// Exactly two spaces, at their places.
std::optional<FirstLine> split_first_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  return FirstLine{line.substr(0, first), line.substr(first + 1, last - first - 1), line.substr(last + 1)};
}

bool is_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

// The authority of a target in absolute form; empty optional for other forms.
std::optional<std::string_view> absolute_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    return target.substr(0, target.find_first_of("/?"));
  }
  return std::nullopt;
}

bool is_acceptable_target(std::string_view method, std::string_view target) {
  if (!std::ranges::all_of(target, is_target_char)) return false;
  if (target.starts_with('/') || absolute_authority(target)) return true;
  return target == "*" && method == "OPTIONS";
}

// Host as it must be, and the same as what an absolute target names. False for any doubt.
bool names_one_host(const RequestHead& head) {
  const auto hosts = head.headers.count("host");
  if (hosts > 1 || (hosts == 0 && head.http_1_1)) return false;
  const auto host = head.headers.find("host");
  if (host && !is_authority(*host)) return false;
  const auto authority = absolute_authority(head.target);
  return !authority || (is_authority(*authority) && (!host || equal_ignoring_case(*authority, *host)));
}

bool is_keep_alive(const RequestHead& head) {
  if (has_connection_option(head.headers, "close")) return false;
  return head.http_1_1 || has_connection_option(head.headers, "keep-alive");
}

}  // namespace

void RequestParser::reset() {
  scanner_ = HeadScanner();
  skipped_line_ = false;
  first_line_checked_ = false;
  body_.start(BodyDecoder::Kind::none);
}

Error RequestParser::reject(int status, std::string what) {
  rejection_ = status;
  const auto code = status == 414 || status == 431 ? ErrorCode::too_large
                    : status == 400                ? ErrorCode::invalid_argument
                                                   : ErrorCode::unsupported;
  return make_error(code, "malformed HTTP request: " + std::move(what));
}

Result<void> RequestParser::check_first_line(std::string_view line) {
  const auto parts = split_first_line(line);
  if (!parts) return reject(400, "the first line is no request line");
  if (!is_token(parts->method) || parts->method.size() > kMethodBytesMax) return reject(400, "the method is no token");
  if (!is_version(parts->version)) return reject(400, "the version is none of HTTP");
  if (parts->version != "HTTP/1.1" && parts->version != "HTTP/1.0") {
    return reject(505, "only the versions 1.1 and 1.0 of HTTP are spoken here");
  }
  if (parts->target.size() > limits_.target_bytes_max) return reject(414, "the target is too long");
  if (!is_acceptable_target(parts->method, parts->target)) return reject(400, "the target is not a path");
  return {};
}

// What can be said of a head whose end has not come yet.
Result<void> RequestParser::check_unfinished(std::string_view bytes) {
  const bool starts_well = bytes.empty() || bytes[0] == '\r' || is_token(bytes.substr(0, 1));
  if (!starts_well) return reject(400, "it does not begin with a method");
  const bool in_first_line = scanner_.first_line() == std::string_view::npos;
  if (in_first_line && bytes.size() > limits_.target_bytes_max + kMethodBytesMax + 16) {
    return reject(414, "the first line is too long");
  }
  if (bytes.size() > limits_.head_bytes_max) return reject(431, "the head is too large");
  return {};
}

Result<RequestHead> RequestParser::parse(std::string_view text) {
  const auto line = text.substr(0, scanner_.first_line());
  const auto parts = split_first_line(line);
  auto fields = parse_fields(text.substr(line.size() + 2, text.size() - line.size() - 4), limits_.fields_max,
                             Underscores::refused);
  if (fields.has_error()) {
    return reject(fields.error().code == ErrorCode::too_large ? 431 : 400, fields.error().message);
  }
  RequestHead head;
  head.method = parts->method;
  head.target = parts->target;
  head.http_1_1 = parts->version == "HTTP/1.1";
  head.headers = std::move(*fields);
  if (!names_one_host(head)) return reject(400, "it needs exactly one proper Host");
  auto length = parse_body_length(head.headers, head.http_1_1);
  if (length.has_error()) return reject(400, length.error().message);
  if (length->chunked) body_.start(BodyDecoder::Kind::chunked);
  if (length->bytes) body_.start(BodyDecoder::Kind::sized, *length->bytes);
  head.content_length = length->bytes;
  head.keep_alive = is_keep_alive(head);
  const auto expect = head.headers.find("expect");
  head.expects_continue = head.http_1_1 && expect && equal_ignoring_case(*expect, "100-continue");
  if (head.http_1_1 && expect && !head.expects_continue) return reject(417, "nothing but 100-continue can be expected");
  return head;
}

Result<std::optional<RequestHead>> RequestParser::read_head(boost::beast::flat_buffer& buffer) {
  if (!skipped_line_ && text_of(buffer).starts_with("\r\n")) {
    skipped_line_ = true;
    buffer.consume(2);
  }
  const auto bytes = text_of(buffer);
  const auto state = scanner_.scan(bytes);
  if (state == HeadScanner::State::bad_line) return reject(400, "a line has a bad end");
  if (!first_line_checked_ && scanner_.first_line() != std::string_view::npos) {
    first_line_checked_ = true;
    RAGTIME_TRY_DONE(check_first_line(bytes.substr(0, scanner_.first_line())));
  }
  if (state == HeadScanner::State::more) {
    RAGTIME_TRY_DONE(check_unfinished(bytes));
    return std::optional<RequestHead>();
  }
  if (scanner_.size() > limits_.head_bytes_max) return reject(431, "the head is too large");
  RAGTIME_TRY(auto head, parse(bytes.substr(0, scanner_.size())));
  buffer.consume(scanner_.size());
  return std::optional<RequestHead>(std::move(head));
}

Result<bool> RequestParser::read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max) {
  const auto before = out.size();
  RAGTIME_TRY(const std::size_t used, body_.decode(text_of(buffer), out, bytes_max));
  buffer.consume(used);
  return out.size() > before || body_.done();
}

}  // namespace ragtime::http
