#include "load/upstream_session.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "load/model_tasks.h"
#include "load/reply_builder.h"

namespace ragtime::load {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kHeaderBytesMax = 64u << 10;
constexpr std::size_t kPipelinedBytesMax = 64u << 10;
constexpr std::chrono::minutes kWriteTimeout{10};
constexpr std::size_t kPiecesMax = 32;  // In one write.
constexpr std::string_view kJson = "application/json";

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// Which model call a path is; both with and without /v1 or /v2.
std::optional<Operation> operation_of(std::string_view target) {
  std::string_view path = without_query(target);
  for (const std::string_view prefix : {"/v1", "/v2"}) {
    if (path.starts_with(prefix)) path.remove_prefix(prefix.size());
  }
  if (path == "/chat/completions") return Operation::chat;
  if (path == "/completions") return Operation::completions;
  if (path == "/embeddings") return Operation::embeddings;
  if (path == "/rerank") return Operation::rerank;
  return std::nullopt;
}

void limit_tokens(const ScriptSpec& spec, std::size_t tokens_default, std::size_t tokens_max, ScriptRequest& request) {
  request.tokens = spec.number("tokens", tokens_default);
  if (tokens_max > 0 && tokens_max < request.tokens) {
    request.tokens = tokens_max;
    request.length_limited = true;
  }
}

}  // namespace

struct UpstreamSession::Played {
  UpstreamRecord::End end = UpstreamRecord::End::completed;
  Phase phase = Phase::done;
  std::size_t steps = 0;
  std::size_t tokens = 0;  // As far as paced steps tell.
};

UpstreamSession::UpstreamSession(asio::ip::tcp::socket socket, ScriptedUpstream::State& upstream, std::uint64_t number)
    : upstream_(upstream),
      handle_(socket.native_handle()),
      wire_(std::move(socket), kHeaderBytesMax + kReadBytes),
      parser_(http::RequestLimits{.head_bytes_max = kHeaderBytesMax}),
      timer_(upstream.loop),
      number_(number) {}

Task<> UpstreamSession::run() {
  while (true) {
    auto head = co_await read_head();
    if (!head) break;
    auto body = co_await read_body(*head);
    if (!body) break;
    const bool more = co_await answer(std::move(*head), std::move(*body));
    if (watching_) wire_.unwatch();
    watching_ = false;
    if (!more || gone_) break;
  }
  wire_.close();
}

void UpstreamSession::stop() {
  gone_ = true;
  timer_.cancel();
  wire_.close();
}

Task<std::optional<http::RequestHead>> UpstreamSession::read_head() {
  parser_.reset();
  while (true) {
    auto head = parser_.read_head(wire_.buffer());
    if (head.has_error()) co_return std::nullopt;
    if (*head) co_return std::move(**head);
    const bool arrived = co_await wire_.fill(kReadBytes, steady_clock::time_point::max());
    if (!arrived) co_return std::nullopt;
  }
}

Task<std::optional<std::string>> UpstreamSession::read_body(const http::RequestHead& head) {
  std::string body;
  if (head.content_length) body.reserve(std::min<std::size_t>(*head.content_length, upstream_.config.request_bytes_max));
  while (!parser_.body_done()) {
    auto progress = parser_.read_body(wire_.buffer(), body, kReadBytes);
    if (progress.has_error() || body.size() > upstream_.config.request_bytes_max) co_return std::nullopt;
    if (*progress || parser_.body_done()) continue;
    const bool arrived = co_await wire_.fill(kReadBytes, steady_clock::time_point::max());
    if (!arrived) co_return std::nullopt;
  }
  co_return body;
}

void UpstreamSession::watch() {
  if (std::exchange(watching_, true)) return;
  wire_.watch(kPipelinedBytesMax, [this] {
    gone_ = true;
    timer_.cancel();
  });
}

Task<bool> UpstreamSession::answer(http::RequestHead head, std::string body) {
  const auto operation = operation_of(head.target);
  if (operation && head.method == "POST") {
    if (upstream_.config.instant) {
      const bool more = co_await answer_instantly(head, *operation, body);
      co_return more && head.keep_alive;
    }
    const bool more = co_await answer_model_call(head, *operation, std::move(body));
    co_return more && head.keep_alive;
  }
  UpstreamRecord record;
  record.method = head.method;
  record.path = head.target;
  record.connection = number_;
  const bool hidden = head.target.starts_with("/__");
  const std::uint64_t id = hidden ? 0 : upstream_.log.begin(std::move(record));
  auto [status, text] = local_route(head, body);
  const bool more = co_await send_plain(status, without_query(head.target) == "/metrics" ? "text/plain" : kJson,
                                        std::move(text), id);
  co_return more && head.keep_alive;
}

std::pair<int, std::string> UpstreamSession::local_route(const http::RequestHead& head, const std::string& body) {
  const std::string_view path = without_query(head.target);
  if (path == "/v1/models" || path == "/models") return {200, models_body(upstream_.config.models)};
  if (path == "/health" || path == "/ping" || path == "/liveness" || path == "/readiness") {
    const std::lock_guard lock(upstream_.mutex);
    return {upstream_.health, upstream_.health == 200 ? "" : error_json("not healthy", "server_error", "503")};
  }
  if (path == "/version") return {200, R"({"version":"0.11.0+scripted"})"};
  if (path == "/load") return {200, fmt::format(R"({{"server_load":{}}})", upstream_.engine.running())};
  if (path == "/metrics") {
    std::string text = upstream_.metrics_text();
    const std::lock_guard lock(upstream_.mutex);
    return {upstream_.metrics_mode == "missing" ? 404 : 200, std::move(text)};
  }
  if (path == "/__log") return {200, upstream_.log.to_json()};
  if (path == "/__reset") {
    upstream_.log.clear();
    return {200, "{}"};
  }
  if (path == "/__script") {
    auto spec = body.empty() ? Result<ScriptSpec>(ScriptSpec()) : ScriptSpec::parse(body);
    if (spec.has_error() || !is_script(spec->name)) return {400, error_json("no such script", "invalid", "400")};
    const std::lock_guard lock(upstream_.mutex);
    upstream_.script = body;
    return {200, "{}"};
  }
  return {404, error_json("there is nothing at this path", "not_found", "404")};
}

Task<bool> UpstreamSession::send_plain(int status, std::string_view type, std::string body, std::uint64_t id) {
  const std::string bytes = whole_http(status, type, body);
  http::Wire::Pieces pieces;
  pieces.emplace_back(bytes.data(), bytes.size());
  const bool sent = co_await wire_.write(std::move(pieces), {kWriteTimeout, 1});
  using End = UpstreamRecord::End;
  if (id != 0) upstream_.log.end(id, sent ? End::completed : End::aborted, sent ? Phase::done : Phase::head, 1);
  co_return sent;
}

Task<bool> UpstreamSession::answer_instantly(const http::RequestHead& head, Operation operation,
                                             const std::string& body) {
  if (operation == Operation::embeddings || operation == Operation::rerank) {
    auto request = read_request(operation, body);
    if (request.has_error()) co_return co_await send_plain(400, kJson, error_json("bad", "invalid", "400"), 0);
    co_return co_await answer_task(operation, *request, 0);
  }
  ScriptRequest request = scan_request(operation, body);
  const ScriptSpec spec = upstream_.choose_script(request, head.headers.find("x-scripted"));
  limit_tokens(spec, upstream_.config.tokens, 0, request);
  const auto reply = upstream_.cached_reply(spec, request);
  const auto played = co_await play(*reply);
  co_return played.end == UpstreamRecord::End::completed && reply->keep_alive;
}

Task<bool> UpstreamSession::answer_model_call(const http::RequestHead& head, Operation operation, std::string body) {
  auto request = read_request(operation, body);
  UpstreamRecord record;
  record.method = head.method;
  record.path = head.target;
  record.headers = head.headers.fields();
  record.connection = number_;
  record.body = std::move(body);
  if (request.has_error()) {
    const std::uint64_t id = upstream_.log.begin(std::move(record));
    co_return co_await send_plain(400, kJson, error_json(request.error().message, "invalid_request_error", "400"), id);
  }
  record.model = request->script.model;
  record.stream = request->script.stream;
  const ScriptSpec spec = upstream_.choose_script(request->script, head.headers.find("x-scripted"));
  record.script = spec.name;
  const std::uint64_t id = upstream_.log.begin(std::move(record));
  watch();
  if ((operation == Operation::embeddings || operation == Operation::rerank) && spec.name == "plain") {
    co_return co_await answer_task(operation, *request, id);
  }
  limit_tokens(spec, upstream_.config.tokens, request->tokens_max, request->script);
  co_return co_await run_script(spec, *request, id);
}

Task<bool> UpstreamSession::answer_task(Operation operation, const UpstreamRequest& request, std::uint64_t id) {
  std::string body = operation == Operation::embeddings ? embeddings_body(request.body, upstream_.config.dimensions)
                                                        : rerank_body(request.body);
  const int status = body.empty() ? 400 : 200;
  if (body.empty()) body = error_json("the input is missing or wrong", "invalid_request_error", "400");
  co_return co_await send_plain(status, kJson, std::move(body), id);
}

Task<bool> UpstreamSession::wait_for_engine() {
  auto& engine = upstream_.engine;
  if (upstream_.waiting.empty() && engine.has_room(work_)) co_return true;
  engine.enqueue();
  upstream_.waiting.push_back(this);
  while (!gone_ && !(upstream_.waiting.front() == this && engine.has_room(work_))) {
    timer_.expires_at(steady_clock::time_point::max());
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  std::erase(upstream_.waiting, this);
  engine.dequeue();
  co_return !gone_;
}

Task<bool> UpstreamSession::run_script(const ScriptSpec& spec, const UpstreamRequest& request, std::uint64_t id) {
  auto& engine = upstream_.engine;
  work_ = {request.script.prompt_tokens, request.script.tokens * request.script.choices, 0};
  if (!engine.accepts()) {
    co_return co_await send_plain(503, kJson, error_json("the queue is full", "service_unavailable", "503"), id);
  }
  const bool admitted = co_await wait_for_engine();
  if (!admitted) {
    upstream_.log.end(id, UpstreamRecord::End::aborted, Phase::queued, 0);
    upstream_.wake_waiting();
    co_return false;
  }
  const auto start = steady_clock::now();
  engine.enter(work_);
  work_.cached_tokens = engine.take_prefix(request.prompt);
  upstream_.wake_waiting();
  const Reply reply = make_reply(spec, request.script);
  const auto played = co_await play(reply);
  using End = UpstreamRecord::End;
  const std::string_view reason = played.end == End::completed ? "stop" : "abort";
  engine.leave(work_, played.end == End::completed ? reply.tokens : played.tokens, reason,
               steady_clock::now() - start);
  upstream_.wake_waiting();
  upstream_.log.end(id, played.end, played.phase, played.steps);
  co_return played.end == End::completed && reply.keep_alive;
}

std::size_t UpstreamSession::send_now(const Reply& reply, std::size_t first, std::size_t end) {
  std::array<iovec, kPiecesMax> pieces;
  std::size_t count = 0;
  for (std::size_t i = first; i < end && count < pieces.size(); ++i, ++count) {
    pieces[count] = {const_cast<char*>(reply.steps[i].bytes.data()), reply.steps[i].bytes.size()};
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  const auto sent = ::sendmsg(handle_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

Task<bool> UpstreamSession::send_rest(const Reply& reply, std::size_t first, std::size_t end, std::size_t sent) {
  http::Wire::Pieces pieces;
  for (std::size_t i = first; i < end; ++i) {
    const auto& bytes = reply.steps[i].bytes;
    const std::size_t skipped = std::min(sent, bytes.size());
    sent -= skipped;
    if (skipped < bytes.size()) pieces.emplace_back(bytes.data() + skipped, bytes.size() - skipped);
  }
  if (pieces.empty()) co_await asio::post(upstream_.loop, asio::use_awaitable);
  const bool done = co_await wire_.write(std::move(pieces), {kWriteTimeout, 1});
  co_return done && !gone_;
}

void UpstreamSession::end_connection(const Step& step) {
  if (step.kind == Step::Kind::stop_listening) upstream_.refuse_for(step.wait);
  if (step.kind != Step::Kind::close) {
    const linger at_once{1, 0};
    ::setsockopt(handle_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (std::exchange(watching_, false)) wire_.unwatch();
  wire_.close();
}

steady_clock::time_point UpstreamSession::due_time(const Step& step, steady_clock::time_point last) {
  if (step.kind == Step::Kind::hold) return steady_clock::time_point::max();
  auto wait = upstream_.engine.delay(step.pace, work_);
  if (step.kind != Step::Kind::stop_listening) wait += step.wait;
  return wait.count() > 0 ? std::max(last + wait, steady_clock::now()) : last;
}

// The end of the run of sends that nothing separates from step `first`.
std::size_t UpstreamSession::run_end(const Reply& reply, std::size_t first) const {
  std::size_t end = first + 1;
  while (end < reply.steps.size() && end != reply.repeat_from) {
    const Step& step = reply.steps[end];
    const bool joins = step.kind == Step::Kind::send && !step.apart && step.wait.count() == 0;
    if (!joins || upstream_.engine.paces(step.pace)) break;
    ++end;
  }
  return end;
}

// Waits and writes are spelled out here, without coroutines of their own: this is the hot path of benchmarks.
Task<UpstreamSession::Played> UpstreamSession::play(const Reply& reply) {
  using End = UpstreamRecord::End;
  Played out;
  std::size_t i = 0;
  steady_clock::time_point due = steady_clock::now();
  while (true) {
    if (i == reply.steps.size()) {
      if (reply.repeat_from >= reply.steps.size()) co_return out;
      i = reply.repeat_from;
    }
    const Step& step = reply.steps[i];
    out.phase = step.phase;
    due = due_time(step, due);
    if (due > steady_clock::now()) watch();
    while (!gone_ && due > steady_clock::now()) {
      timer_.expires_at(due);
      co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (!gone_ && step.kind != Step::Kind::send) {
      end_connection(step);
      out.end = End::faulted;
      co_return out;
    }
    const std::size_t end = run_end(reply, i);
    std::size_t bytes = 0;
    for (std::size_t k = i; k < end; ++k) bytes += reply.steps[k].bytes.size();
    bool sent = !gone_;
    if (sent) {
      const std::size_t at_once = send_now(reply, i, end);
      // Also when all fits: a script that repeats without a pause must let the loop turn.
      if (at_once < bytes || reply.repeat_from < reply.steps.size()) sent = co_await send_rest(reply, i, end, at_once);
    }
    if (!sent) {
      out.end = End::aborted;
      co_return out;
    }
    out.steps += end - i;
    out.tokens += end - i;
    i = end;
    out.phase = Phase::done;
  }
}

}  // namespace ragtime::load
