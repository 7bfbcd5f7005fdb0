// The membership of a BalancedPool, and what is told about it.
#include <algorithm>
#include <utility>

#include "llm/balanced_pool.h"
#include "llm/pool_endpoint.h"

namespace ragtime::llm {

using std::chrono::milliseconds;

namespace {

// With discovery endpoints may come and go for as long as the process runs, and instruments stay.
constexpr std::size_t kLabelledEndpointsMax = 256;
constexpr std::array<const char*, 4> kOutcomeNames = {"completed", "failed", "overloaded", "ignored"};

}  // namespace

BalancedPool::EndpointPtr BalancedPool::make_endpoint(EndpointConfig config) {
  auto out = std::make_shared<Endpoint>(std::move(config), config_);
  if (config_.metrics == nullptr) return out;
  telemetry::Metrics& metrics = *config_.metrics;
  const std::string url = labelled_ < kLabelledEndpointsMax ? out->config->url : "others";
  ++labelled_;
  const telemetry::Labels labels = {{"model", config_.model}, {"endpoint", url}};
  const auto outcome = [&](std::size_t kind) {
    telemetry::Labels with_outcome = labels;
    with_outcome.emplace_back("outcome", kOutcomeNames[kind]);
    return &metrics.counter("ragtime_endpoint_requests_total", "Ended requests, by how they ended.", with_outcome);
  };
  out->instruments.emplace(Endpoint::Instruments{
      metrics.gauge("ragtime_endpoint_in_flight", "Requests that have not ended.", labels),
      metrics.gauge("ragtime_endpoint_tokens_in_flight", "Estimated tokens of these.", labels),
      metrics.gauge("ragtime_endpoint_limit", "How many requests may be in flight.", labels),
      metrics.gauge("ragtime_endpoint_state", "0 closed, 1 half-open, 2 ejected, -1 removed.", labels),
      metrics.gauge("ragtime_endpoint_polled_age_seconds", "Age of the polled load; -1: none yet.",
                    labels),
      metrics.counter("ragtime_endpoint_ejections_total", "Times it was ejected.", labels),
      {outcome(0), outcome(1), outcome(2), outcome(3)}});
  publish(*out, config_.now());
  return out;
}

void BalancedPool::publish(Endpoint& endpoint, SteadyTime now) {
  if (!endpoint.instruments) return;
  const auto& instruments = *endpoint.instruments;
  instruments.in_flight.set(static_cast<double>(endpoint.leased.requests));
  instruments.tokens.set(static_cast<double>(endpoint.leased.tokens));
  instruments.limit.set(static_cast<double>(endpoint.limit.value()));
  instruments.state.set(static_cast<double>(endpoint.health.state(now)));
  const double age = endpoint.polled ? std::chrono::duration<double>(now - endpoint.polled->at).count() : -1;
  instruments.polled_age.set(age);
}

void BalancedPool::publish_waiting() {
  pace_.run(waiting() > 0, config_.now());
  if (waiting_gauge_ != nullptr) waiting_gauge_->set(static_cast<double>(waiting()));
}

void BalancedPool::refresh() {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = config_.now();
  for (const EndpointPtr& endpoint : endpoints_) publish(*endpoint, now);
}

void BalancedPool::report(const Endpoint& endpoint, std::string_view event) const {
  if (config_.log == nullptr) return;
  config_.log->warning(event, {{"model", std::string_view(config_.model)},
                               {"endpoint", std::string_view(endpoint.config->url)},
                               {"in_flight", static_cast<std::int64_t>(endpoint.leased.requests)}});
}

BalancedPool::Endpoint* BalancedPool::find(const EndpointConfig& endpoint) const {
  const auto found = std::find_if(endpoints_.begin(), endpoints_.end(),
                                  [&](const EndpointPtr& candidate) { return candidate->is(endpoint); });
  return found == endpoints_.end() ? nullptr : found->get();
}

void BalancedPool::set_endpoints(std::vector<EndpointConfig> endpoints) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = config_.now();
  awaits_endpoints_ = false;
  std::vector<EndpointPtr> former = std::exchange(endpoints_, {});
  for (EndpointConfig& config : endpoints) {
    if (find(config) != nullptr) continue;
    const auto kept = std::find_if(former.begin(), former.end(), [&](const auto& e) { return e && e->is(config); });
    if (kept != former.end()) {
      (*kept)->config = std::make_shared<const EndpointConfig>(std::move(config));
      endpoints_.push_back(std::move(*kept));
      continue;
    }
    endpoints_.push_back(make_endpoint(std::move(config)));
    if (!former.empty()) endpoints_.back()->health.start_slowly(now);
  }
  for (const EndpointPtr& gone : former) {
    if (gone && gone->instruments) gone->instruments->state.set(-1);
  }
  dispatch(now);
}

std::vector<EndpointConfig> BalancedPool::endpoints() const {
  const std::lock_guard lock(mutex_);
  std::vector<EndpointConfig> out;
  for (const EndpointPtr& endpoint : endpoints_) out.push_back(*endpoint->config);
  return out;
}

void BalancedPool::on_check(const EndpointConfig& config, bool passed) {
  const std::lock_guard lock(mutex_);
  Endpoint* endpoint = find(config);
  if (endpoint == nullptr) return;
  const SteadyTime now = config_.now();
  if (endpoint->health.on_check(passed, may_eject(*endpoint, now), now)) {
    if (endpoint->instruments) endpoint->instruments->ejections.add();
    report(*endpoint, "endpoint_ejected_by_checks");
  }
  publish(*endpoint, now);
  if (waiting() > 0) dispatch(now);
}

void BalancedPool::on_sample(const EndpointConfig& config, const EngineSample& sample) {
  const std::lock_guard lock(mutex_);
  Endpoint* endpoint = find(config);
  if (endpoint == nullptr || !sample.known()) return;
  endpoint->polled = PolledLoad{sample, config_.now(), endpoint->leased.requests};
  publish(*endpoint, config_.now());
}

PoolStatus BalancedPool::status() const {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = config_.now();
  PoolStatus out{config_.model, in_flight_, waiting(), {}};
  for (const EndpointPtr& endpoint : endpoints_) {
    EndpointStatus status;
    status.url = endpoint->config->url;
    status.model = endpoint->config->model;
    status.weight = endpoint->config->weight;
    status.state = endpoint->health.state(now);
    if (endpoint->health.rests_until() > now) {
      status.rests_for = std::chrono::duration_cast<milliseconds>(endpoint->health.rests_until() - now);
    }
    status.in_flight = endpoint->leased.requests;
    status.tokens_in_flight = endpoint->leased.tokens;
    status.limit = endpoint->limit.value();
    status.taken = endpoint->taken;
    status.outcomes = endpoint->outcomes;
    status.ejections = endpoint->health.ejections();
    if (endpoint->polled) {
      status.sample = endpoint->polled->sample;
      status.sample_age = std::chrono::duration_cast<milliseconds>(now - endpoint->polled->at);
    }
    out.endpoints.push_back(std::move(status));
  }
  return out;
}

}  // namespace ragtime::llm
