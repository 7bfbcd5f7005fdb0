#include "http/response_parser.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

constexpr std::size_t kHeadBytesMax = 64u << 10;
constexpr std::size_t kFieldsMax = 256;
constexpr int kInterimRepliesMax = 16;

Error broken(const std::string& why) {
  return make_error(ErrorCode::unavailable, "broken HTTP reply: " + why);
}

std::string_view text_of(const boost::beast::flat_buffer& buffer) {
  const auto data = buffer.cdata();
  return {static_cast<const char*>(data.data()), data.size()};
}

// "HTTP/1.1 200 OK"; the reason may be missing.
std::optional<int> parse_status(std::string_view line) {
  const bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
  if (!known || line.size() < 12 || (line.size() > 12 && line[12] != ' ')) return std::nullopt;
  const auto digits = line.substr(9, 3);
  if (!std::ranges::all_of(digits, is_digit) || digits[0] < '1' || digits[0] > '5') return std::nullopt;
  return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

}  // namespace

Result<void> ResponseParser::start_body(const ResponseHead& head, bool http_1_1) {
  auto length = parse_body_length(head.headers, http_1_1);
  if (length.has_error()) return broken(length.error().message);
  const bool sized = length->bytes && *length->bytes > 0;
  if (head.status < 200 && (sized || length->chunked)) return broken("an interim reply with a body");
  keep_alive_ = !has_connection_option(head.headers, "close") &&
                (http_1_1 || has_connection_option(head.headers, "keep-alive"));
  if (to_head_ || head.status == 304 || head.status == 204) {
    body_.start(BodyDecoder::Kind::none);
    // It announces a body that cannot be: who knows what comes next on this connection.
    if (head.status == 204 && (sized || length->chunked)) keep_alive_ = false;
  } else if (length->chunked) {
    body_.start(BodyDecoder::Kind::chunked);
  } else if (length->bytes) {
    body_.start(BodyDecoder::Kind::sized, *length->bytes);
  } else {
    body_.start(BodyDecoder::Kind::until_close);
    keep_alive_ = false;
  }
  return {};
}

Result<ResponseHead> ResponseParser::parse(std::string_view text) {
  const auto line = text.substr(0, scanner_.first_line());
  const auto status = parse_status(line);
  if (!status) return broken("it does not begin with a status line");
  auto fields = parse_fields(text.substr(line.size() + 2, text.size() - line.size() - 4), kFieldsMax,
                             Underscores::allowed);
  if (fields.has_error()) return broken(fields.error().message);
  ResponseHead head{*status, std::move(*fields)};
  if (head.status == 101) return broken("unexpected status");
  RAGTIME_TRY_DONE(start_body(head, line[7] == '1'));
  return head;
}

Result<std::optional<ResponseHead>> ResponseParser::read_head(boost::beast::flat_buffer& buffer) {
  while (true) {
    const auto bytes = text_of(buffer);
    const auto state = scanner_.scan(bytes);
    if (state == HeadScanner::State::bad_line) return broken("a line has a bad end");
    if (std::min(bytes.size(), scanner_.size()) > kHeadBytesMax) return broken("the head is too large");
    if (state == HeadScanner::State::more) return std::optional<ResponseHead>();
    RAGTIME_TRY(auto head, parse(bytes.substr(0, scanner_.size())));
    buffer.consume(scanner_.size());
    if (head.status >= 200) {
      head_done_ = true;
      return std::optional<ResponseHead>(std::move(head));
    }
    if (++interim_replies_ > kInterimRepliesMax) return broken("too many interim replies");
    scanner_ = HeadScanner();
  }
}

Result<bool> ResponseParser::read_body(boost::beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max) {
  const auto before = out.size();
  auto used = body_.decode(text_of(buffer), out, bytes_max);
  if (used.has_error()) return broken(used.error().message);
  buffer.consume(*used);
  return out.size() > before || body_done();
}

Result<void> ResponseParser::end_of_stream() {
  if (!head_done_) return broken("the connection was closed before a reply");
  if (body_.kind() != BodyDecoder::Kind::until_close && !body_.done()) return broken("it was cut");
  ended_ = true;
  return {};
}

}  // namespace ragtime::http
