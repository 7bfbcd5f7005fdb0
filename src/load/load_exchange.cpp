#include "load/load_exchange.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <fmt/format.h>

#include "base/id.h"
#include "http/connection.h"
#include "http/response_parser.h"
#include "http/url.h"

namespace ragtime::load {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;

std::string_view path_of(LoadOperation operation) {
  switch (operation) {
    case LoadOperation::chat:
      return "/chat/completions";
    case LoadOperation::completions:
      return "/completions";
    case LoadOperation::embeddings:
      return "/embeddings";
    case LoadOperation::rerank:
      return "/rerank";
    case LoadOperation::search:
      return "/vector_stores/";
  }
  return "";
}

Error broken(std::string what) {
  return make_error(ErrorCode::unavailable, std::move(what));
}

class DirectExchange final : public LoadExchange {
 public:
  explicit DirectExchange(const LoadRoute& route) : route_(route) {}

  Task<Result<int>> start(std::string_view body) override {
    request_.assign(route_.head).append(std::to_string(body.size())).append("\r\n\r\n").append(body);
    const bool reused = connection_.has_value();
    auto status = co_await attempt();
    // A kept connection may have been closed by the server meanwhile; that is no failure of this request.
    if (status.has_error() && reused && !aborted_ && !answered_) {
      connection_.reset();
      status = co_await attempt();
    }
    co_return status;
  }

  Task<Result<std::string_view>> read_some() override {
    piece_.clear();
    while (piece_.empty() && !parser_->body_done()) {
      auto progress = parser_->read_body(buffer_, piece_, kReadBytes);
      if (progress.has_error()) co_return std::move(progress).error();
      if (*progress || !piece_.empty() || parser_->body_done()) continue;
      auto [error, bytes] = co_await connection_->read_some(buffer_.prepare(kReadBytes));
      if (error == asio::error::eof) {
        auto ended = parser_->end_of_stream();
        if (ended.has_error()) co_return std::move(ended).error();
        break;
      }
      if (error) co_return broken("the connection broke: " + error.message());
      buffer_.commit(bytes);
    }
    reusable_ = parser_->body_done() && parser_->keep_alive();
    co_return std::string_view(piece_);
  }

  void abort() override {
    aborted_ = true;
    reusable_ = false;
    if (connection_) connection_->close();
  }

  bool reusable() const override { return reusable_; }

 private:
  Task<Result<int>> attempt() {
    reusable_ = false;
    answered_ = false;
    parser_.emplace(false);
    if (!connection_) {
      buffer_.clear();
      const auto origin = std::make_shared<http::Origin>(route_.host, http::ClientConfig(), nullptr);
      connection_.emplace(co_await asio::this_coro::executor, origin);
      std::vector<asio::ip::tcp::endpoint> addresses;
      addresses.emplace_back(asio::ip::make_address(route_.host), route_.port);
      const auto error = co_await connection_->connect(std::move(addresses));
      if (error) co_return broken("cannot connect: " + error.message());
    }
    const auto error = co_await connection_->write(request_, "");
    if (error) co_return broken("cannot send: " + error.message());
    while (true) {
      auto head = parser_->read_head(buffer_);
      if (head.has_error()) co_return std::move(head).error();
      if (*head) co_return (*head)->status;
      auto filled = co_await fill();
      if (filled.has_error()) co_return std::move(filled).error();
      if (!*filled) co_return broken("the connection was closed before the reply");
      answered_ = true;
    }
  }

  // False at the end of the stream.
  Task<Result<bool>> fill() {
    const auto space = buffer_.prepare(kReadBytes);
    auto [error, bytes] = co_await connection_->read_some(space);
    if (error == asio::error::eof) co_return false;
    if (error) co_return broken("the connection broke: " + error.message());
    buffer_.commit(bytes);
    co_return true;
  }

  const LoadRoute& route_;
  std::string request_;
  std::optional<http::Connection> connection_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::ResponseParser> parser_;
  std::string piece_;
  bool reusable_ = false;
  bool aborted_ = false;
  bool answered_ = false;
};

class ClientExchange final : public LoadExchange {
 public:
  ClientExchange(const LoadRoute& route, http::Client& client, std::chrono::milliseconds timeout)
      : route_(route), client_(client), timeout_(timeout) {}

  Task<Result<int>> start(std::string_view body) override {
    context_ = std::make_unique<RequestContext>(make_id("bench_"), "", Deadline::after(timeout_));
    stream_.reset();
    http::ClientRequest request;
    request.method = "POST";
    request.url = route_.url;
    request.headers = route_.headers;
    request.body = body;
    auto stream = co_await client_.open(std::move(request), *context_);
    if (stream.has_error()) co_return std::move(stream).error();
    stream_ = std::move(*stream);
    co_return stream_->status();
  }

  Task<Result<std::string_view>> read_some() override {
    auto piece = co_await stream_->read_some(*context_);
    if (piece.has_error()) co_return std::move(piece).error();
    piece_ = std::move(*piece);
    co_return std::string_view(piece_);
  }

  void abort() override {
    if (context_) context_->cancel();
  }

  bool reusable() const override { return true; }  // The client keeps the connections.

 private:
  const LoadRoute& route_;
  http::Client& client_;
  const std::chrono::milliseconds timeout_;
  std::unique_ptr<RequestContext> context_;
  std::unique_ptr<http::ClientStream> stream_;
  std::string piece_;
};

}  // namespace

Result<LoadRoute> LoadRoute::of(const LoadTarget& target, const LoadConfig& config) {
  LoadRoute out;
  out.url = target.url;
  while (out.url.ends_with('/')) out.url.pop_back();
  out.url += path_of(config.operation);
  if (config.operation == LoadOperation::search) out.url += config.store + "/search";
  RAGTIME_TRY(const auto url, http::parse_url(out.url));
  out.headers.set("Content-Type", "application/json");
  if (!target.api_key.empty()) out.headers.set("Authorization", "Bearer " + target.api_key);
  for (const auto& [key, value] : target.headers) out.headers.set(key, value);
  const std::string host = url.host == "localhost" ? "127.0.0.1" : url.host;
  boost::system::error_code no_address;
  asio::ip::make_address(host, no_address);
  if (url.tls || no_address) return out;
  out.host = host;
  out.port = static_cast<std::uint16_t>(std::stoul(url.port));
  out.head = fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\n", url.target, url.host_field());
  for (const auto& [key, value] : out.headers.fields()) out.head += fmt::format("{}: {}\r\n", key, value);
  out.head += "Content-Length: ";
  return out;
}

std::unique_ptr<LoadExchange> make_exchange(const LoadRoute& route, http::Client& client,
                                            std::chrono::milliseconds timeout) {
  if (!route.host.empty()) return std::make_unique<DirectExchange>(route);
  return std::make_unique<ClientExchange>(route, client, timeout);
}

}  // namespace ragtime::load
