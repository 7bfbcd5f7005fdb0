#include "llm/balanced_pool.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/check.h"
#include "llm/pool_endpoint.h"

namespace ragtime::llm {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kRetryAfterMin{100};
constexpr milliseconds kRetryAfterMax{60'000};
// The share of the queue's patience that a wait may be expected to take: leases end irregularly.
constexpr double kPatienceUsed = 0.5;

Random seeded(std::uint64_t seed) {
  return Random(seed != 0 ? seed : std::random_device()() | std::uint64_t{std::random_device()()} << 32);
}

milliseconds from_now(SteadyTime when, SteadyTime now) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(when - now));
}

}  // namespace

// What came of one attempt to place a request: a lease, an error, or the time at which to try again.
struct BalancedPool::Placed {
  std::unique_ptr<Lease> lease;
  std::optional<Error> error;
  SteadyTime next_change = SteadyTime::max();
};

// Those that may take a request now, and why the others may not.
struct BalancedPool::Options {
  std::vector<std::size_t> free;
  std::optional<std::size_t> probe;  // Half-open, waiting for one request.
  bool allowed = false;              // One is neither excluded nor ejected.
  bool full = false;                 // One is only at its limit.
  SteadyTime rests_until = SteadyTime::max();
};

// Lives in the frame of its wait(); its members belong to mutex_.
struct BalancedPool::Waiter {
  Waiter(BalancedPool& owner, const Demand& what, asio::any_io_executor executor)
      : pool(owner), demand(what), decided(std::move(executor)) {}
  ~Waiter() {
    const std::lock_guard lock(pool.mutex_);
    if (!in_queue) return;
    pool.queues_[static_cast<std::size_t>(demand.priority)].erase(*in_queue);
    pool.publish_waiting();
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  BalancedPool& pool;
  const Demand& demand;
  async::Event decided;
  std::unique_ptr<Lease> lease;
  std::optional<Error> error;
  std::optional<std::list<Waiter*>::iterator> in_queue;
};

class BalancedPool::PoolLease final : public Lease {
 public:
  PoolLease(BalancedPool& pool, EndpointPtr endpoint, std::size_t tokens, bool probe)
      : pool_(pool), endpoint_(std::move(endpoint)), config_(endpoint_->config), tokens_(tokens), probe_(probe) {}
  ~PoolLease() override { PoolLease::finish(Outcome::ignored, std::nullopt); }

  const EndpointConfig& endpoint() const override { return *config_; }

  void first_token(milliseconds after_send) override {
    const std::lock_guard lock(pool_.mutex_);
    if (finished_) return;
    endpoint_->limit.on_first_token(after_send, endpoint_->leased.requests);
  }

  void finish(Outcome outcome, std::optional<milliseconds> retry_after) override {
    pool_.end(*this, outcome, retry_after);
  }

 private:
  friend class BalancedPool;
  BalancedPool& pool_;
  const EndpointPtr endpoint_;
  const std::shared_ptr<const EndpointConfig> config_;
  const std::size_t tokens_;
  const bool probe_;
  bool finished_ = false;  // Guarded by the pool's mutex.
};

BalancedPool::BalancedPool(EndpointPoolConfig config) : config_(std::move(config)), random_(seeded(config_.seed)) {
  if (config_.metrics != nullptr) {
    const telemetry::Labels labels = {{"model", config_.model}};
    waiting_gauge_ = &config_.metrics->gauge("ragtime_pool_waiting", "Requests that wait for an endpoint.", labels);
    refused_ = &config_.metrics->counter("ragtime_pool_refused_total",
                                         "Requests that no endpoint had room for in time.", labels);
  }
  for (const EndpointConfig& endpoint : config_.endpoints) {
    if (find(endpoint) == nullptr) endpoints_.push_back(make_endpoint(endpoint));
  }
  awaits_endpoints_ = config_.endpoints_follow;
}

BalancedPool::~BalancedPool() {
  RAGTIME_CHECK(in_flight_ == 0 && waiting() == 0);
}

std::size_t BalancedPool::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

BalancedPool::Options BalancedPool::options(const Demand& demand, SteadyTime now) const {
  Options out;
  const auto closed = [now](const EndpointPtr& e) { return e->health.state(now) == HealthState::closed; };
  // When every endpoint is ejected (others were removed), trying one is better than trying none.
  const bool any_closed = std::any_of(endpoints_.begin(), endpoints_.end(), closed);
  const bool any_weight = std::any_of(endpoints_.begin(), endpoints_.end(),
                                      [](const EndpointPtr& e) { return e->config->weight > 0; });
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& endpoint = *endpoints_[i];
    const auto& excluded = demand.excluded_urls;
    if (std::find(excluded.begin(), excluded.end(), endpoint.config->url) != excluded.end()) continue;
    if (any_weight && endpoint.config->weight <= 0) continue;
    // A probe that fails should leave the request another endpoint to go to.
    if (any_closed && excluded.empty() && endpoint.health.wants_probe(now)) out.probe = i;
    if (any_closed && endpoint.health.state(now) != HealthState::closed) continue;
    out.allowed = true;
    if (const SteadyTime until = endpoint.health.rests_until(); until > now) {
      out.rests_until = std::min(out.rests_until, until);
    } else if (endpoint.full()) {
      out.full = true;
    } else {
      out.free.push_back(i);
    }
  }
  return out;
}

BalancedPool::Placed BalancedPool::place(const Demand& demand, SteadyTime now) {
  const Options found = options(demand, now);
  Placed out;
  if (found.probe) {
    out.lease = lease(endpoints_[*found.probe], demand, now);
  } else if (awaits_endpoints_ && endpoints_.empty()) {
    return out;
  } else if (!found.allowed) {
    out.error = make_error(ErrorCode::unavailable, endpoints_.empty()
                                                       ? fmt::format("no server of '{}' is known", config_.model)
                                                       : fmt::format("no other server of '{}' is left", config_.model));
  } else if (found.free.empty()) {
    out.next_change = found.rests_until;
    // Nobody can serve it before that, so waiting would only take time from the client.
    const bool too_long = found.rests_until > now + config_.queue.patience;
    if (!found.full && too_long) out.error = busy(from_now(found.rests_until, now));
  } else {
    std::vector<Candidate> candidates;
    candidates.reserve(found.free.size());
    for (const std::size_t i : found.free) {
      const Endpoint& endpoint = *endpoints_[i];
      const double weight = endpoint.config->weight > 0 ? endpoint.config->weight : 1;
      candidates.push_back({estimate_load(endpoint.leased, endpoint.polled, config_.freshness, now),
                            weight * endpoint.health.weight_factor(now), std::max(endpoint.turns, turn_), weight,
                            endpoint.identity});
    }
    const Placement placement{request_load(demand.tokens), stable_hash(demand.prefix)};
    const std::size_t chosen = choose(config_.balance, candidates, placement, random_);
    const EndpointPtr& endpoint = endpoints_[found.free[chosen]];
    turn_ = candidates[chosen].turns;
    endpoint->turns = turn_ + 1 / candidates[chosen].weight;
    out.lease = lease(endpoint, demand, now);
  }
  return out;
}

std::unique_ptr<Lease> BalancedPool::lease(const EndpointPtr& endpoint, const Demand& demand, SteadyTime now) {
  const bool probe = endpoint->health.wants_probe(now);
  auto out = std::make_unique<PoolLease>(*this, endpoint, demand.tokens, probe);
  if (probe) endpoint->health.begin_probe();
  ++endpoint->leased.requests;
  endpoint->leased.tokens += demand.tokens;
  ++endpoint->taken;
  ++in_flight_;
  publish(*endpoint, now);
  return out;
}

void BalancedPool::end(PoolLease& lease, Outcome outcome, std::optional<milliseconds> retry_after) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(lease.finished_, true)) return;
  Endpoint& endpoint = *lease.endpoint_;
  const SteadyTime now = config_.now();
  if (outcome == Outcome::overloaded) endpoint.limit.on_overload(endpoint.leased.requests);
  --endpoint.leased.requests;
  endpoint.leased.tokens -= lease.tokens_;
  --in_flight_;
  const auto kind = static_cast<std::size_t>(outcome);
  ++endpoint.outcomes[kind];
  if (endpoint.instruments) endpoint.instruments->outcomes[kind]->add();
  if (endpoint.health.on_outcome(outcome, retry_after, lease.probe_, may_eject(endpoint, now), now)) {
    if (endpoint.instruments) endpoint.instruments->ejections.add();
    report(endpoint, "endpoint_ejected");
  }
  publish(endpoint, now);
  pace_.count(now);
  dispatch(now);
}

Task<Result<std::unique_ptr<Lease>>> BalancedPool::acquire(const Demand& demand, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(context.check());
  {
    const std::lock_guard lock(mutex_);
    if (!must_wait_behind(demand.priority)) {
      Placed placed = place(demand, config_.now());
      if (placed.lease) co_return std::move(placed.lease);
      if (placed.error) co_return std::move(*placed.error);
    }
  }
  Waiter waiter(*this, demand, co_await asio::this_coro::executor);
  SteadyTime next_change = SteadyTime::max();
  {
    const std::lock_guard lock(mutex_);
    RAGTIME_CO_TRY_DONE(enqueue(waiter));
    // A place may have come free in between.
    dispatch(config_.now());
    if (waiter.lease) co_return std::move(waiter.lease);
    if (waiter.error) co_return std::move(*waiter.error);
    for (const EndpointPtr& e : endpoints_) next_change = std::min(next_change, e->health.next_change(config_.now()));
  }
  co_return co_await wait(waiter, next_change, context);
}

Task<Result<std::unique_ptr<Lease>>> BalancedPool::wait(Waiter& waiter, SteadyTime next_change,
                                                        RequestContext& context) {
  const Deadline patience = context.deadline().sooner(config_.queue.patience);
  while (true) {
    RequestContext slice(context, Deadline::at(std::min(patience.when(), next_change)));
    co_await waiter.decided.wait(slice);
    const std::lock_guard lock(mutex_);
    const SteadyTime now = config_.now();
    if (!waiter.lease && !waiter.error) dispatch(now);
    if (waiter.lease) co_return std::move(waiter.lease);
    if (waiter.error) co_return std::move(*waiter.error);
    RAGTIME_CO_TRY_DONE(context.check());
    if (patience.expired()) co_return busy(drain_time());
    next_change = SteadyTime::max();
    for (const EndpointPtr& e : endpoints_) next_change = std::min(next_change, e->health.next_change(now));
  }
}

// Serves those who wait, the most urgent first and in the order of their coming.
void BalancedPool::dispatch(SteadyTime now) {
  for (std::size_t level = queues_.size(); level-- > 0;) {
    auto& queue = queues_[level];
    for (auto at = queue.begin(); at != queue.end();) {
      Waiter& waiter = **at;
      Placed placed = place(waiter.demand, now);
      if (!placed.lease && !placed.error) {
        // Nothing is free for a request that may go anywhere, so nothing is for the others.
        if (waiter.demand.excluded_urls.empty()) return publish_waiting();
        ++at;
        continue;
      }
      at = queue.erase(at);
      waiter.in_queue.reset();
      waiter.lease = std::move(placed.lease);
      waiter.error = std::move(placed.error);
      // Under the lock: the waiter's frame takes it too before it goes.
      waiter.decided.set();
    }
  }
  publish_waiting();
}

Result<void> BalancedPool::enqueue(Waiter& waiter) {
  if (waits_in_vain(waiter.demand.priority)) return busy(drain_time());
  if (waiting() >= config_.queue.waiting_max) {
    // The one who came last among the least urgent has to go, if it is less urgent.
    const auto level = static_cast<std::size_t>(waiter.demand.priority);
    const auto lower = std::find_if(queues_.begin(), queues_.begin() + static_cast<std::ptrdiff_t>(level),
                                    [](const auto& queue) { return !queue.empty(); });
    if (lower == queues_.begin() + static_cast<std::ptrdiff_t>(level)) return busy(drain_time());
    Waiter& displaced = *lower->back();
    lower->pop_back();
    displaced.in_queue.reset();
    displaced.error = busy(drain_time());
    displaced.decided.set();
  }
  auto& queue = queues_[static_cast<std::size_t>(waiter.demand.priority)];
  waiter.in_queue = queue.insert(queue.end(), &waiter);
  publish_waiting();
  return {};
}

bool BalancedPool::must_wait_behind(Priority priority) const {
  return ahead_of(priority) > 0;
}

std::size_t BalancedPool::ahead_of(Priority priority) const {
  std::size_t count = 0;
  for (auto level = static_cast<std::size_t>(priority); level < queues_.size(); ++level) count += queues_[level].size();
  return count;
}

// Whether it would probably be refused after its wait: then at once, so that its client can go elsewhere. One may always
// wait, from which the pace is learned anew.
bool BalancedPool::waits_in_vain(Priority priority) {
  const std::size_t ahead = ahead_of(priority);
  const double expected_ms = pace_.gap_ms(config_.now()) * static_cast<double>(ahead + 1);
  return ahead > 0 && expected_ms > kPatienceUsed * static_cast<double>(config_.queue.patience.count());
}

// The last one that is left stays.
bool BalancedPool::may_eject(const Endpoint& endpoint, SteadyTime now) const {
  return std::any_of(endpoints_.begin(), endpoints_.end(), [&](const EndpointPtr& other) {
    return other.get() != &endpoint && other->health.state(now) == HealthState::closed && other->config->weight > 0;
  });
}

std::size_t BalancedPool::waiting() const {
  return ahead_of(Priority::low);
}

Error BalancedPool::busy(milliseconds retry_after) const {
  if (refused_ != nullptr) refused_->add();
  Error error =
      make_error(ErrorCode::resource_exhausted, fmt::format("the servers of '{}' are busy; retry later", config_.model));
  error.retry_after = std::clamp(retry_after, kRetryAfterMin, kRetryAfterMax);
  return error;
}

// Until those who wait now have been served, at the rate of late.
milliseconds BalancedPool::drain_time() {
  const double pace = pace_.gap_ms(config_.now());
  const double gap = pace > 0 ? pace : static_cast<double>(config_.queue.patience.count());
  const double wait = std::min(gap * static_cast<double>(waiting() + 1), static_cast<double>(kRetryAfterMax.count()));
  return milliseconds(static_cast<std::int64_t>(std::ceil(wait)));
}

std::unique_ptr<EndpointPool> make_endpoint_pool(std::string model, std::vector<EndpointConfig> endpoints) {
  EndpointPoolConfig config;
  config.model = std::move(model);
  config.endpoints = std::move(endpoints);
  return std::make_unique<BalancedPool>(std::move(config));
}

}  // namespace ragtime::llm
