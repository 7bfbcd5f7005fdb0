// ClientExchange: one request on one connection and the reply to it, the stream that Client::open() gives out.
//
// Thread safety: belongs to its executor's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/core/flat_buffer.hpp>

#include "async/semaphore.h"
#include "http/client.h"
#include "http/connection.h"
#include "http/guard.h"
#include "http/origin.h"
#include "http/response_parser.h"
#include "http/url.h"

namespace ragtime::http {

// The request's head as bytes, with the framing of its body. Errors: invalid_argument for fields that would break it.
Result<std::string> format_request_head(const ClientRequest& request, const Url& url);

class ClientExchange final : public ClientStream {
 public:
  struct Peer {
    std::shared_ptr<const ClientConfig> config;
    std::shared_ptr<const Url> url;
    std::shared_ptr<Origin> origin;
  };

  ClientExchange(const asio::any_io_executor& executor, Peer peer, std::unique_ptr<Connection> connection,
                 async::Semaphore::Permit permit, bool to_head);

  int status() const override { return head_.status; }
  const Headers& headers() const override { return head_.headers; }
  Task<Result<std::string>> read_some(RequestContext& context) override;

  // The connection comes from the pool, so that it may turn out to be dead. Call before start().
  void on_used_connection() { acknowledged_before_ = connection_->acknowledged_bytes(); }
  // Sends the request and waits for the head of the reply, `first_byte_limit` at most unless that is 0.
  Task<Result<void>> start(std::string_view head, std::string_view body, std::chrono::milliseconds first_byte_limit,
                           RequestContext& context);
  // After start() failed: whether nobody can have acted on the request (see client.h). Leaves the permit behind.
  bool may_be_repeated(bool idempotent) const;
  async::Semaphore::Permit take_permit() { return std::move(permit_); }

 private:
  Task<Result<void>> read_head(RequestContext& context);
  Task<boost::system::error_code> fill();
  Error failure(const RequestContext& context, const std::string& what) const;
  void note_unacknowledged();
  void release();

  const asio::any_io_executor executor_;
  const Peer peer_;
  std::unique_ptr<Connection> connection_;  // Null once the reply is complete.
  async::Semaphore::Permit permit_;
  Guard guard_;
  ResponseParser parser_;
  boost::beast::flat_buffer buffer_;
  std::size_t read_bytes_ = 0;  // Room for the next read, once one was filled.
  ResponseHead head_;
  std::optional<std::uint64_t> acknowledged_before_;
  bool unacknowledged_ = false;  // Known: not a byte of the request has been acknowledged.
  bool got_bytes_ = false;
};

}  // namespace ragtime::http
