#include "http/client_stream.h"

#include <algorithm>
#include <utility>

#include "http/ascii.h"

namespace ragtime::http {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

// What a read has room for: little while little comes, so that a slow stream holds little memory.
constexpr std::size_t kReadBytesLeast = 2u << 10;
constexpr std::size_t kReadBytesMost = 64u << 10;
constexpr std::size_t kHeadBytesUsual = 512;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Result<std::string> format_request_head(const ClientRequest& request, const Url& url) {
  const auto bad = [](std::string what) { return make_error(ErrorCode::invalid_argument, std::move(what)); };
  if (!is_token(request.method)) return bad("the method is not a token");
  std::string out;
  out.reserve(kHeadBytesUsual);
  out.append(request.method).append(" ").append(url.target).append(" HTTP/1.1\r\n");
  if (!request.headers.find("host")) append_field(out, "Host", url.host_field());
  if (!request.headers.find("user-agent")) append_field(out, "User-Agent", "ragtime");
  for (const auto& [name, value] : request.headers.fields()) {
    if (!is_token(name) || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return bad("the header field \"" + name + "\" is malformed");
    }
    if (equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding")) continue;
    append_field(out, name, value);
  }
  const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT";
  if (has_body) append_field(out, "Content-Length", std::to_string(request.body.size()));
  out += "\r\n";
  return out;
}

ClientExchange::ClientExchange(const asio::any_io_executor& executor, Peer peer,
                               std::unique_ptr<Connection> connection, async::Semaphore::Permit permit, bool to_head)
    : executor_(executor),
      peer_(std::move(peer)),
      connection_(std::move(connection)),
      permit_(std::move(permit)),
      guard_(executor,
             [this] {
               if (!connection_) return;
               note_unacknowledged();
               connection_->close();
             }),
      parser_(to_head) {}

// Why an operation failed: the context's own end comes before what the socket said.
Error ClientExchange::failure(const RequestContext& context, const std::string& what) const {
  if (auto alive = context.check(); alive.has_error()) return alive.error();
  if (guard_.reason() == ErrorCode::cancelled) return make_error(ErrorCode::cancelled, "the request was cancelled");
  return make_error(ErrorCode::unavailable, peer_.url->origin() + ": " + what);
}

Task<error_code> ClientExchange::fill() {
  const auto space = buffer_.prepare(std::max(read_bytes_, kReadBytesLeast));
  auto [error, bytes] = co_await connection_->read_some(space);
  buffer_.commit(bytes);
  if (bytes == space.size()) read_bytes_ = std::min(4 * bytes, kReadBytesMost);
  if (bytes > 0) got_bytes_ = true;
  co_return error;
}

Task<Result<void>> ClientExchange::start(std::string_view head, std::string_view body,
                                         std::chrono::milliseconds first_byte_limit, RequestContext& context) {
  const auto sent_at = steady_clock::now();
  auto deadline = context.deadline().when();
  if (first_byte_limit.count() > 0) deadline = std::min(deadline, sent_at + first_byte_limit);
  guard_.follow(context);
  guard_.expire_at(deadline);
  // A server may answer and close before it has read everything, so a failed write still leaves a reply to look for.
  co_await connection_->write(head, body);
  auto read = co_await read_head(context);
  guard_.never_expire();
  if (read.has_error()) {
    note_unacknowledged();
    if (guard_.reason() == ErrorCode::deadline_exceeded && context.check().has_value()) peer_.origin->missed_reply();
    co_return read;
  }
  peer_.origin->replied(steady_clock::now() - sent_at);
  if (parser_.body_done()) release();
  co_return Result<void>();
}

Task<Result<void>> ClientExchange::read_head(RequestContext& context) {
  while (true) {
    RAGTIME_CO_TRY(auto head, parser_.read_head(buffer_));
    if (head) {
      head_ = std::move(*head);
      co_return Result<void>();
    }
    const error_code error = co_await fill();
    if (!error) continue;
    const bool late = guard_.reason() == ErrorCode::deadline_exceeded;
    co_return failure(context, late ? "no reply in time" : "no reply: " + error.message());
  }
}

void ClientExchange::note_unacknowledged() {
  if (!connection_ || !acknowledged_before_) return;
  const auto now = connection_->acknowledged_bytes();
  if (now) unacknowledged_ = *now == *acknowledged_before_;
}

bool ClientExchange::may_be_repeated(bool idempotent) const {
  return !got_bytes_ && !guard_.reason() && (idempotent || unacknowledged_);
}

Task<Result<std::string>> ClientExchange::read_some(RequestContext& context) {
  std::string out;
  if (!connection_) co_return out;
  RAGTIME_CO_TRY_DONE(context.check());
  guard_.follow(context);
  while (!parser_.body_done()) {
    RAGTIME_CO_TRY(const bool progress, parser_.read_body(buffer_, out, kReadBytesMost));
    if (progress && !out.empty()) break;
    if (progress) continue;
    guard_.expire_at(std::min(context.deadline().when(), steady_clock::now() + peer_.config->idle_timeout));
    const error_code error = co_await fill();
    guard_.never_expire();
    if (error == asio::error::eof) {
      RAGTIME_CO_TRY_DONE(parser_.end_of_stream());
    } else if (error) {
      const bool idle = guard_.reason() == ErrorCode::deadline_exceeded;
      co_return failure(context, idle ? "nothing more of the reply arrived in time" : error.message());
    }
  }
  if (parser_.body_done()) release();
  co_return out;
}

void ClientExchange::release() {
  permit_.reset();
  if (!guard_.reason() && parser_.keep_alive() && buffer_.size() == 0) {
    ConnectionPool::of(executor_).put(peer_.origin, std::move(connection_), *peer_.config);
  }
  connection_.reset();
}

}  // namespace ragtime::http
