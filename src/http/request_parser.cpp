#include "http/request_parser.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "http/ascii.h"
#include "http/parse_body.h"

namespace ragtime::http {
namespace {

namespace beast = boost::beast;

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

Error bad(std::string what) {
  return make_error(ErrorCode::invalid_argument, std::move(what));
}

Error translate(const beast::error_code& error) {
  if (error == beast::http::error::header_limit) {
    return make_error(ErrorCode::too_large, "the head of the request is too large");
  }
  return bad("malformed HTTP request: " + error.message());
}

Result<void> check_framing(const RequestHead& head) {
  const auto& headers = head.headers;
  if (const auto hosts = headers.count("host"); hosts > 1 || (hosts == 0 && head.http_1_1)) {
    return bad("a request needs exactly one Host");
  }
  if (const auto coding = headers.find("transfer-encoding")) {
    if (!head.http_1_1 || headers.count("transfer-encoding") > 1 || headers.find("content-length") ||
        !equal_ignoring_case(trim(*coding), "chunked")) {
      return bad("the only Transfer-Encoding taken is chunked, without a Content-Length");
    }
  }
  return {};
}

}  // namespace

struct RequestParser::Impl {
  std::optional<beast::http::request_parser<beast::http::buffer_body>> parser;
};

RequestParser::RequestParser(std::size_t header_bytes_max)
    : header_bytes_max_(header_bytes_max), impl_(std::make_unique<Impl>()) {}

RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  auto& parser = impl_->parser.emplace();
  parser.header_limit(
      static_cast<std::uint32_t>(std::min<std::size_t>(header_bytes_max_, std::numeric_limits<std::uint32_t>::max())));
  parser.body_limit(boost::none);
}

Result<std::optional<RequestHead>> RequestParser::read_head(beast::flat_buffer& buffer) {
  auto& parser = *impl_->parser;
  // RFC 9112 § 2.2: an empty line before the request line is ignored.
  while (!parser.got_some() && buffer.size() >= 2 &&
         std::string_view(static_cast<const char*>(buffer.data().data()), 2) == "\r\n") {
    buffer.consume(2);
  }
  beast::error_code error;
  if (buffer.size() > 0) buffer.consume(parser.put(buffer.data(), error));
  if (error && error != beast::http::error::need_more) return translate(error);
  if (!parser.is_header_done()) return std::optional<RequestHead>();

  RequestHead head;
  const auto& message = parser.get();
  head.method = view(message.method_string());
  head.target = view(message.target());
  head.http_1_1 = message.version() == 11;
  head.keep_alive = parser.keep_alive();
  for (const auto& field : message) head.headers.add(view(field.name_string()), view(field.value()));
  if (const auto length = parser.content_length()) head.content_length = *length;
  const auto expect = head.headers.find("expect");
  head.expects_continue = head.http_1_1 && expect && equal_ignoring_case(*expect, "100-continue");
  RAGTIME_TRY_DONE(check_framing(head));
  return std::optional<RequestHead>(std::move(head));
}

Result<bool> RequestParser::read_body(beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max) {
  beast::error_code error;
  const bool progress = parse_body(*impl_->parser, buffer, out, bytes_max, error);
  if (error) return translate(error);
  return progress;
}

bool RequestParser::body_done() const {
  return impl_->parser->is_done();
}

std::optional<std::uint64_t> RequestParser::bytes_left() const {
  if (body_done()) return 0;
  const auto left = impl_->parser->content_length_remaining();
  if (!left) return std::nullopt;
  return *left;
}

}  // namespace ragtime::http
