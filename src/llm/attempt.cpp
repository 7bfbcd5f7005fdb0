#include "llm/attempt.h"

#include <algorithm>
#include <utility>

#include "llm/whole_answer.h"

namespace ragtime::llm {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t kRefusalBytesMax = 64u << 10;
constexpr std::size_t kWholeBytesMax = 64u << 20;
constexpr milliseconds kDrain{100};  // For the end of a reply whose answer is complete.
constexpr std::size_t kBytesPerToken = 4;
constexpr std::int64_t kAnswerTokens = 256;  // When a request does not limit its answer.
constexpr std::size_t kAnswerTokensMax = 1u << 20;

bool is_json(const http::Headers& headers) {
  return headers.find("content-type").value_or("").starts_with("application/json");
}

AnswerObserverConfig observer_config(const RelayJob& job) {
  AnswerObserverConfig config;
  config.choices = static_cast<std::size_t>(job.parsed.choices);
  config.keep_usage = job.parsed.include_usage;
  config.hold_all = job.request.buffered;
  if (config.hold_all) config.held_bytes_max = kWholeBytesMax;
  return config;
}

Demand demand_of(const RelayJob& job, std::span<const std::string> excluded_urls) {
  constexpr std::size_t kPrefixBytesMax = 4096;
  const std::int64_t limit = std::max<std::int64_t>(0, job.parsed.tokens_max.value_or(kAnswerTokens));
  const std::size_t answer = std::min<std::size_t>(static_cast<std::size_t>(limit), kAnswerTokensMax);
  Demand demand;
  demand.tokens = job.request.body.size() / kBytesPerToken + answer * static_cast<std::size_t>(job.parsed.choices);
  demand.prefix = job.parsed.first_message.of(job.request.body).substr(0, kPrefixBytesMax);
  demand.priority = job.request.priority;
  demand.excluded_urls = excluded_urls;
  return demand;
}

std::string_view path_of(GatewayApi api) {
  return api == GatewayApi::chat_completions ? "chat/completions" : "completions";
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Attempt::Attempt(Shared shared, const RelayJob& job, RequestContext& context, asio::any_io_executor executor)
    : shared_(shared),
      stream_(job.parsed.stream),
      buffered_(job.request.buffered),
      api_(job.request.api),
      total_(job.total),
      prompt_bytes_(job.request.body.size()),
      request_(context),
      context_(context, job.total),
      limit_(executor, [this] { context_.cancel(); }),
      observer_(observer_config(job)) {}

Attempt::~Attempt() {
  finish(Outcome::ignored);
}

http::ClientRequest Attempt::upstream_request(const RelayJob& job) const {
  const EndpointConfig& endpoint = lease_->endpoint();
  http::ClientRequest out;
  out.method = "POST";
  out.url = endpoint.url;
  if (!out.url.ends_with('/')) out.url += '/';
  out.url += path_of(api_);
  out.headers.add("Content-Type", "application/json");
  out.headers.add("Accept", stream_ ? "text/event-stream" : "application/json");
  out.headers.add("X-Request-Id", context_.request_id());
  if (!endpoint.api_key.empty()) out.headers.add("Authorization", "Bearer " + endpoint.api_key);
  const std::string& model = endpoint.model.empty() ? shared_.model.name() : endpoint.model;
  out.connect_timeout = shared_.model.config.timeouts.connect;
  out.body = body_for_upstream(job.request.body, job.parsed, model);
  return out;
}

Task<Attempt::End> Attempt::open(RelayJob& job, std::span<const std::string> excluded_urls) {
  const auto asked = Clock::now();
  const Demand demand = demand_of(job, excluded_urls);
  auto lease = co_await shared_.model.config.pool->acquire(demand, context_);
  if (lease.has_error()) {
    End end = own_ended();
    if (!end.error) end.error = std::move(lease).error();
    co_return end;
  }
  const auto got = Clock::now();
  job.waited += got - asked;
  lease_ = std::move(*lease);
  url_ = lease_->endpoint().url;
  shared_.model.metrics.attempts.add();
  auto end = co_await send(job);
  co_return end;
}

Task<Attempt::End> Attempt::send(RelayJob& job) {
  auto request = upstream_request(job);
  const GatewayTimeouts& timeouts = shared_.model.config.timeouts;
  sent_ = Clock::now();
  limit_.set(*sent_ + (stream_ ? std::min(timeouts.first_byte, timeouts.first_token) : timeouts.answer));
  if (!std::exchange(job.sent, true)) shared_.overhead.request.observe(seconds(*sent_ - job.start - job.waited));
  auto opened = co_await shared_.client.open(std::move(request), context_);
  if (opened.has_error()) co_return open_failed(opened.error());
  reply_ = std::move(*opened);
  if (reply_->status() != 200) co_return co_await read_refusal();
  content_type_ = reply_->headers().find("content-type").value_or(stream_ ? "text/event-stream" : "application/json");
  if (!stream_) co_return co_await read_whole(false);
  if (is_json(reply_->headers())) co_return co_await read_whole(true);
  co_return co_await read_until_commit();
}

Task<Attempt::End> Attempt::read_refusal() {
  const int status = reply_->status();
  limit_.set(Clock::now() + shared_.model.config.timeouts.idle);
  std::string body;
  while (body.size() < kRefusalBytesMax) {
    auto bytes = co_await reply_->read_some(context_);
    if (bytes.has_error() || bytes->empty()) break;
    body += *bytes;
  }
  if (End own = own_ended(); own.error) co_return own;
  UpstreamFault fault = fault_of_reply(status, body);
  fault.retry_after = retry_after_of(reply_->headers());
  refusal_type_ = reply_->headers().find("content-type").value_or("application/json");
  refusal_ = std::move(body);
  co_return fail(std::move(fault));
}

Task<Attempt::End> Attempt::read_whole(bool for_stream) {
  const GatewayTimeouts& timeouts = shared_.model.config.timeouts;
  std::string body;
  while (true) {
    limit_.set(Clock::now() + (for_stream ? timeouts.first_token : timeouts.idle));
    auto bytes = co_await reply_->read_some(context_);
    if (bytes.has_error()) co_return broken(bytes.error());
    if (bytes->empty()) break;
    if (body.empty()) {
      body = std::move(*bytes);
    } else {
      body += *bytes;
    }
    if (body.size() > kWholeBytesMax) co_return fail({FaultKind::malformed, 0, "sent an answer that is too large", {}});
  }
  const auto arrived = Clock::now();
  reply_.reset();  // Nothing more is to be read from it.
  if (auto fault = check_whole_answer(body, report_.usage)) {
    if (fault->kind == FaultKind::status) refusal_ = std::move(body);
    refusal_type_ = "application/json";
    co_return fail(std::move(*fault));
  }
  if (for_stream) {
    ready_ = observer_.take(events_of_answer(body));
    ready_ += observer_.finish();
    if (observer_.fault()) co_return fail(*observer_.fault());
    content_type_ = "text/event-stream";
  } else {
    ready_ = std::move(body);
  }
  ended_ = true;
  commit(arrived);
  co_return End{};
}

Task<Attempt::End> Attempt::read_until_commit() {
  const GatewayTimeouts& timeouts = shared_.model.config.timeouts;
  limit_.set(*sent_ + timeouts.first_token);
  Clock::time_point arrived;
  while (!observer_.committed()) {
    auto bytes = co_await reply_->read_some(context_);
    arrived = Clock::now();
    const bool over = bytes.has_error() || bytes->empty();
    if (bytes.has_error() && (own_end() || !observer_.complete())) co_return broken(bytes.error());
    const bool output_before = observer_.outputs() > 0;
    ready_ += over ? observer_.finish() : observer_.take(std::move(*bytes));
    if (observer_.fault()) co_return fail(*observer_.fault());
    if (buffered_ && observer_.outputs() > 0) {
      if (!output_before) lease_->first_token(duration_cast<milliseconds>(arrived - *sent_));
      limit_.set(arrived + timeouts.idle);
    }
    if (over) break;
  }
  ended_ = observer_.done();
  move_limit();
  commit(arrived);
  co_return End{};
}

void Attempt::commit(Clock::time_point arrived) {
  committed_ = true;
  committed_at_ = arrived;
  const auto after_send = arrived - *sent_;
  report_.first_token = duration_cast<milliseconds>(after_send);
  report_.model = shared_.model.name();
  report_.endpoint_url = url_;
  if (stream_ && !buffered_) lease_->first_token(report_.first_token);
  if (stream_) {
    shared_.model.metrics.first_token.observe(seconds(after_send));
    if (!buffered_) shared_.model.hedging.observe_first_token(duration_cast<std::chrono::microseconds>(after_send));
  }
  request_.timings().add(stream_ ? "first_token" : "generate", seconds(after_send) * 1e3);
  if (ended_) finish(Outcome::completed);
  shared_.overhead.commit.observe(seconds(Clock::now() - arrived));
}

void Attempt::move_limit() {
  const GatewayTimeouts& timeouts = shared_.model.config.timeouts;
  limit_.set(Clock::now() + (observer_.complete() ? std::min(timeouts.tail, timeouts.idle) : timeouts.idle));
}

std::optional<Error> Attempt::own_end() const {
  if (auto alive = request_.check(); alive.has_error()) return alive.error();
  if (total_.expired()) {
    return make_error(ErrorCode::deadline_exceeded, "the model '" + shared_.model.name() + "' did not answer in time");
  }
  if (context_.cancelled() && !limit_.passed()) {
    return make_error(ErrorCode::cancelled, "another endpoint answered first");
  }
  return std::nullopt;
}

Attempt::End Attempt::own_ended() const {
  return End{std::nullopt, own_end()};
}

Attempt::End Attempt::fail(UpstreamFault fault) const {
  return End{std::move(fault), std::nullopt};
}

Attempt::End Attempt::open_failed(const Error& error) const {
  if (End own = own_ended(); own.error) return own;
  if (limit_.passed()) return fail({FaultKind::silence, 0, limit_text(), {}});
  // Of a connection that does not come up; only people read the client's words.
  const bool late = Clock::now() - *sent_ >= shared_.model.config.timeouts.connect;
  return fail({late ? FaultKind::silence : FaultKind::connection, 0, "cannot be used (" + error.message + ")", {}});
}

Attempt::End Attempt::broken(const Error& error) const {
  if (End own = own_ended(); own.error) return own;
  if (limit_.passed()) return fail({FaultKind::silence, 0, limit_text(), {}});
  return fail({FaultKind::cut, 0, "cut its answer (" + error.message + ")", {}});
}

// Which limit has passed.
std::string Attempt::limit_text() const {
  const GatewayTimeouts& timeouts = shared_.model.config.timeouts;
  const auto text = [](const char* what, milliseconds limit) {
    return std::string(what) + " within " + std::to_string(limit.count()) + " ms";
  };
  const auto first_byte = std::min(timeouts.first_byte, timeouts.first_token);
  if (!reply_) return text("sent nothing", stream_ ? first_byte : timeouts.answer);
  if (stream_ && observer_.outputs() == 0) return text("sent no output", timeouts.first_token);
  return text("sent nothing more", timeouts.idle);
}

void Attempt::settle(const UpstreamFault& fault) {
  finish(judge(fault).outcome, fault.retry_after);
}

void Attempt::relay_refusal(UpstreamFault fault) {
  status_ = fault.status;
  content_type_ = refusal_type_.empty() ? "application/json" : refusal_type_;
  ready_ = std::move(refusal_);
  if (ready_.empty()) {
    ready_ = R"({"error":{"message":)" + encode_json_string(fault.message) + R"(,"type":"invalid_request_error",)";
    ready_ += R"("param":null,"code":)" + (fault.code.empty() ? "null" : encode_json_string(fault.code)) + "}}";
  }
  report_.model = shared_.model.name();
  report_.endpoint_url = url_;
  finish(Outcome::ignored);
  shared_.model.metrics.refused.add();
  committed_ = true;
  ended_ = true;
}

Task<Result<std::string>> Attempt::read_some(RequestContext&) {
  while (ready_.empty()) {
    if (failure_) co_return std::move(*failure_);
    if (ended_) {
      co_await drain();
      co_return std::string();
    }
    auto bytes = co_await reply_->read_some(context_);
    if (bytes.has_error() && (own_end() || !observer_.complete())) co_return ended_early(bytes.error());
    const bool over = bytes.has_error() || bytes->empty();
    ready_ = over ? observer_.finish() : observer_.take(std::move(*bytes));
    if (observer_.fault()) {
      finish(judge(*observer_.fault()).outcome);
      failure_ = client_error(*observer_.fault(), shared_.model.name());
      reply_.reset();
      continue;
    }
    ended_ = observer_.done();
    if (ended_) finish(Outcome::completed);
    move_limit();
  }
  co_return std::exchange(ready_, {});
}

Result<std::string> Attempt::ended_early(const Error& error) {
  End end = broken(error);
  finish(end.fault ? judge(*end.fault).outcome : Outcome::ignored);
  reply_.reset();
  if (end.error) return std::move(*end.error);
  return client_error(*end.fault, shared_.model.name());
}

// Reads the end of the reply, so that its connection can be used again.
Task<> Attempt::drain() {
  if (!reply_) co_return;
  limit_.set(Clock::now() + kDrain);
  bool more = true;
  while (more) {
    auto bytes = co_await reply_->read_some(context_);
    more = bytes.has_value() && !bytes->empty();
  }
  reply_.reset();
}

void Attempt::finish(Outcome outcome, std::optional<milliseconds> retry_after) {
  if (std::exchange(finished_, true) || !lease_) return;
  report_.usage = observer_.usage() ? observer_.usage() : report_.usage;
  lease_->finish(outcome, retry_after);
  if (!committed_) return;
  if (stream_ && status_ == 200) request_.timings().add("generate", seconds(Clock::now() - committed_at_) * 1e3);
  count_tokens();
  ModelMetrics& metrics = shared_.model.metrics;
  (outcome == Outcome::completed ? metrics.completed
   : outcome == Outcome::ignored ? metrics.cancelled
                                 : metrics.cut)
      .add();
}

void Attempt::count_tokens() {
  ModelMetrics& metrics = shared_.model.metrics;
  if (report_.usage) {
    metrics.prompt_tokens.add(static_cast<double>(report_.usage->prompt_tokens));
    metrics.completion_tokens.add(static_cast<double>(report_.usage->completion_tokens));
  } else {
    metrics.estimated_prompt_tokens.add(static_cast<double>(prompt_bytes_ / kBytesPerToken));
    metrics.estimated_completion_tokens.add(static_cast<double>(observer_.outputs()));
  }
}

}  // namespace ragtime::llm
