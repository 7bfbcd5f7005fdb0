#include "http/response_parser.h"

#include <string_view>
#include <utility>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "http/parse_body.h"

namespace ragtime::http {
namespace {

namespace beast = boost::beast;

constexpr std::uint32_t kHeadBytesMax = 64u << 10;
constexpr int kInterimRepliesMax = 16;

Error broken(const std::string& why) {
  return make_error(ErrorCode::unavailable, "broken HTTP reply: " + why);
}

}  // namespace

struct ResponseParser::Impl {
  std::optional<beast::http::response_parser<beast::http::buffer_body>> parser;
  int interim_replies = 0;

  void reset(bool to_head) {
    parser.emplace();
    parser->header_limit(kHeadBytesMax);
    parser->body_limit(boost::none);
    parser->skip(to_head);
  }
};

ResponseParser::ResponseParser(bool to_head) : to_head_(to_head), impl_(std::make_unique<Impl>()) {
  impl_->reset(to_head);
}

ResponseParser::~ResponseParser() = default;

Result<std::optional<ResponseHead>> ResponseParser::read_head(beast::flat_buffer& buffer) {
  while (buffer.size() > 0) {
    auto& parser = *impl_->parser;
    beast::error_code error;
    buffer.consume(parser.put(buffer.data(), error));
    if (error && error != beast::http::error::need_more) return broken(error.message());
    if (!parser.is_header_done()) break;
    ResponseHead head;
    head.status = static_cast<int>(parser.get().result_int());
    if (head.status == 101 || ++impl_->interim_replies > kInterimRepliesMax) return broken("unexpected status");
    if (head.status >= 100 && head.status < 200) {
      impl_->reset(to_head_);
      continue;
    }
    for (const auto& field : parser.get()) {
      head.headers.add({field.name_string().data(), field.name_string().size()},
                       {field.value().data(), field.value().size()});
    }
    return std::optional<ResponseHead>(std::move(head));
  }
  return std::optional<ResponseHead>();
}

Result<bool> ResponseParser::read_body(beast::flat_buffer& buffer, std::string& out, std::size_t bytes_max) {
  beast::error_code error;
  const bool progress = parse_body(*impl_->parser, buffer, out, bytes_max, error);
  if (error) return broken(error.message());
  return progress;
}

Result<void> ResponseParser::end_of_stream() {
  auto& parser = *impl_->parser;
  if (!parser.got_some()) return broken("the connection was closed before a reply");
  beast::error_code error;
  if (!parser.is_done()) parser.put_eof(error);
  if (error) return broken("it was cut");
  return {};
}

bool ResponseParser::body_done() const {
  return impl_->parser->is_done();
}

bool ResponseParser::keep_alive() const {
  return impl_->parser->keep_alive();
}

}  // namespace ragtime::http
