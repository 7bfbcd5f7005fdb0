#include "http/origin.h"

#include <utility>

namespace ragtime::http {
namespace {

double seconds(std::chrono::milliseconds limit) {
  return std::chrono::duration<double>(limit).count();
}

}  // namespace

Origin::Origin(const std::string& name, const ClientConfig& config, telemetry::Metrics* metrics)
    : instruments_(make_instruments(name, metrics)),
      connect_(config.connect_timeout_min, config.connect_timeout),
      first_byte_(config.first_byte_timeout_min, config.first_byte_timeout) {
  if (config.connections_per_origin_max == 0) return;
  in_use_ = std::make_unique<async::Semaphore>(config.connections_per_origin_max, config.connection_waiters_max);
}

Origin::Instruments Origin::make_instruments(const std::string& name, telemetry::Metrics* metrics) {
  Instruments out;
  if (metrics == nullptr) return out;
  const auto gauge = [&](std::string_view metric, std::string_view help, telemetry::Labels labels) {
    labels.emplace_back("origin", name);
    return &metrics->gauge(metric, help, std::move(labels));
  };
  const auto counter = [&](std::string_view metric, std::string_view help) {
    return &metrics->counter(metric, help, {{"origin", name}});
  };
  out.open = gauge("ragtime_http_client_open_connections", "Connections to an upstream, in use or idle.", {});
  out.idle = gauge("ragtime_http_client_idle_connections", "Connections to an upstream that wait for use.", {});
  out.reused = counter("ragtime_http_client_connections_reused_total", "Requests on a connection of the pool.");
  out.created = counter("ragtime_http_client_connections_created_total", "Connections made.");
  out.waits = counter("ragtime_http_client_waits_total", "Requests that waited for a connection to become free.");
  constexpr std::string_view kLimit = "ragtime_http_client_timeout_seconds";
  constexpr std::string_view kLimitHelp = "The learned time limit; 0: none.";
  out.connect_limit = gauge(kLimit, kLimitHelp, {{"kind", "connect"}});
  out.first_byte_limit = gauge(kLimit, kLimitHelp, {{"kind", "first_byte"}});
  return out;
}

std::chrono::milliseconds Origin::connect_limit() const {
  const std::lock_guard lock(mutex_);
  return connect_.limit();
}

std::chrono::milliseconds Origin::first_byte_limit() const {
  const std::lock_guard lock(mutex_);
  return first_byte_.limit();
}

void Origin::connected(std::chrono::steady_clock::duration latency) {
  const std::lock_guard lock(mutex_);
  connect_.observe(latency);
  if (instruments_.connect_limit != nullptr) instruments_.connect_limit->set(seconds(connect_.limit()));
}

void Origin::replied(std::chrono::steady_clock::duration latency) {
  const std::lock_guard lock(mutex_);
  first_byte_.observe(latency);
  if (instruments_.first_byte_limit != nullptr) instruments_.first_byte_limit->set(seconds(first_byte_.limit()));
}

void Origin::missed_connect() {
  const std::lock_guard lock(mutex_);
  connect_.missed();
  if (instruments_.connect_limit != nullptr) instruments_.connect_limit->set(seconds(connect_.limit()));
}

void Origin::missed_reply() {
  const std::lock_guard lock(mutex_);
  first_byte_.missed();
  if (instruments_.first_byte_limit != nullptr) instruments_.first_byte_limit->set(seconds(first_byte_.limit()));
}

Task<Result<async::Semaphore::Permit>> Origin::acquire(RequestContext& context) {
  if (!in_use_) co_return async::Semaphore::Permit();
  if (in_use_->available() == 0 && instruments_.waits != nullptr) instruments_.waits->add();
  auto permit = co_await in_use_->acquire(context);
  co_return permit;
}

SSL_SESSION* Origin::take_session() {
  const std::lock_guard lock(mutex_);
  return session_.release();
}

void Origin::keep_session(SSL_SESSION* session) {
  const std::lock_guard lock(mutex_);
  session_.reset(session);
}

void Origin::count_open(int change) {
  if (instruments_.open != nullptr) instruments_.open->add(change);
}

void Origin::count_idle(int change) {
  if (instruments_.idle != nullptr) instruments_.idle->add(change);
}

void Origin::count_reused() {
  if (instruments_.reused != nullptr) instruments_.reused->add();
}

void Origin::count_created() {
  if (instruments_.created != nullptr) instruments_.created->add();
}

}  // namespace ragtime::http
