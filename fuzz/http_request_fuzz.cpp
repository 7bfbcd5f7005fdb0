// Requests with bodies, one after another, from bytes that a client may send; split or not, the same must come out.
#include <algorithm>
#include <string>
#include <string_view>

#include "http/request_parser.h"
#include "http/target.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

class Reading {
 public:
  explicit Reading(std::string& out) : out_(out) { parser_.reset(); }

  // False once nothing more can be read.
  bool feed(std::string_view bytes) {
    const auto space = buffer_.prepare(bytes.size());
    std::ranges::copy(bytes, static_cast<char*>(space.data()));
    buffer_.commit(bytes.size());
    while (true) {
      auto more = in_body_ ? read_body() : read_head();
      if (more.has_error()) {
        out_ += "!";
        return false;
      }
      if (!*more) return true;
    }
  }

 private:
  Result<bool> read_head() {
    auto head = parser_.read_head(buffer_);
    if (head.has_error()) return head.error();
    if (!*head) return false;
    out_ += (*head)->method + " " + (*head)->target + "\n";
    for (const auto& [name, value] : (*head)->headers.fields()) out_ += name + ":" + value + "\n";
    auto target = http::parse_target((*head)->target);
    if (target.has_value()) out_ += target->path;
    in_body_ = true;
    return true;
  }

  Result<bool> read_body() {
    RAGTIME_TRY(const bool progress, parser_.read_body(buffer_, out_, 1 << 20));
    if (parser_.body_done()) {
      parser_.reset();
      in_body_ = false;
      return true;
    }
    return progress;
  }

  std::string& out_;
  // Without limits that a split could meet at another byte.
  http::RequestParser parser_{{1u << 20, 1u << 20, 1000}};
  boost::beast::flat_buffer buffer_;
  bool in_body_ = false;
};

}  // namespace

int http_request(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string whole;
  Reading(whole).feed(bytes);
  std::string split;
  Reading reading(split);
  const std::size_t piece = size == 0 ? 1 : 1 + data[size / 2] % 7;
  for (std::size_t at = 0; at < size && reading.feed(bytes.substr(at, piece)); at += piece) {
  }
  return whole == split ? 0 : 1;
}

}  // namespace ragtime::fuzz

RAGTIME_FUZZ_ENTRY(http_request);
