// BalancedPool: the pool of one model, with everything that its choice rests on: leases, health, polled load, limits.
//
// Whoever watches the endpoints (PoolMonitor) reports what it found here and never touches what leases count. Endpoints
// may come and go while requests run: leases of removed ones live on and are accounted for like all.
// Thread safety: every member may be called from any thread. The pool outlives its leases and waiters.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/wait.h"
#include "llm/adaptive_limit.h"
#include "llm/balance.h"
#include "llm/endpoint_health.h"
#include "llm/endpoint_pool.h"
#include "llm/load_estimate.h"
#include "llm/pace_meter.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::llm {

struct QueueConfig {
  std::size_t waiting_max = 1'024;
  std::chrono::milliseconds patience{2'000};  // The longest that a request waits.
};

struct EndpointPoolConfig {
  std::string model;  // The configured name.
  std::vector<EndpointConfig> endpoints;
  bool endpoints_follow = false;  // A source will name more: while there are none yet, requests wait for them.
  Balance balance = Balance::least_load;
  HealthConfig health;
  LimitConfig limit;  // Of each endpoint.
  QueueConfig queue;
  Freshness freshness;
  std::uint64_t seed = 0;                  // Of the random generator; 0: from the system.
  telemetry::Metrics* metrics = nullptr;   // Null: none are kept. Outlives the pool.
  telemetry::Logger* log = nullptr;        // Null: nothing is said. Outlives the pool.
  std::function<SteadyTime()> now = Deadline::SteadyClock::now;
};

struct EndpointStatus {
  std::string url;
  std::string model;
  double weight = 1;
  HealthState state = HealthState::closed;
  std::chrono::milliseconds rests_for{0};
  std::size_t in_flight = 0;
  std::size_t tokens_in_flight = 0;
  std::size_t limit = 0;
  std::uint64_t taken = 0;                    // Leases so far.
  std::array<std::uint64_t, 4> outcomes{};    // Ended leases, by Outcome.
  std::uint64_t ejections = 0;
  std::optional<EngineSample> sample;         // The last one.
  std::chrono::milliseconds sample_age{0};
};

struct PoolStatus {
  std::string model;
  std::size_t in_flight = 0;  // Also of endpoints that were removed.
  std::size_t waiting = 0;
  std::vector<EndpointStatus> endpoints;
};

class BalancedPool final : public EndpointPool {
 public:
  explicit BalancedPool(EndpointPoolConfig config);
  ~BalancedPool() override;

  Task<Result<std::unique_ptr<Lease>>> acquire(const Demand& demand, RequestContext& context) override;
  const std::string& model() const override { return config_.model; }
  std::size_t in_flight() const override;

  // From now on exactly these. Endpoints are the same when url and model are; key and weight may change.
  void set_endpoints(std::vector<EndpointConfig> endpoints);
  std::vector<EndpointConfig> endpoints() const;
  // What an active check found, and what the server reported about its load; for an endpoint that has gone, nothing.
  void on_check(const EndpointConfig& endpoint, bool passed);
  void on_sample(const EndpointConfig& endpoint, const EngineSample& sample);
  // Brings the gauges up to date with what changes as time passes.
  void refresh();
  PoolStatus status() const;

 private:
  class PoolLease;
  struct Endpoint;
  struct Waiter;
  struct Placed;
  struct Options;
  using EndpointPtr = std::shared_ptr<Endpoint>;

  // All of these with mutex_ held.
  Options options(const Demand& demand, SteadyTime now) const;
  Placed place(const Demand& demand, SteadyTime now);
  std::unique_ptr<Lease> lease(const EndpointPtr& endpoint, const Demand& demand, SteadyTime now);
  void dispatch(SteadyTime now);
  Result<void> enqueue(Waiter& waiter);
  bool must_wait_behind(Priority priority) const;
  std::size_t ahead_of(Priority priority) const;
  bool waits_in_vain(Priority priority);
  bool may_eject(const Endpoint& endpoint, SteadyTime now) const;
  std::size_t waiting() const;
  Error busy(std::chrono::milliseconds retry_after) const;
  std::chrono::milliseconds drain_time();
  Endpoint* find(const EndpointConfig& endpoint) const;
  void publish(Endpoint& endpoint, SteadyTime now);
  void publish_waiting();
  void report(const Endpoint& endpoint, std::string_view event) const;

  Task<Result<std::unique_ptr<Lease>>> wait(Waiter& waiter, SteadyTime next_change, RequestContext& context);
  void end(PoolLease& lease, Outcome outcome, std::optional<std::chrono::milliseconds> retry_after);
  EndpointPtr make_endpoint(EndpointConfig config);

  const EndpointPoolConfig config_;
  mutable std::mutex mutex_;
  Random random_;                                // Guarded by mutex_, like everything below.
  std::vector<EndpointPtr> endpoints_;
  std::array<std::list<Waiter*>, 3> queues_;     // By priority.
  std::size_t in_flight_ = 0;
  bool awaits_endpoints_ = false;
  double turn_ = 0;                              // Of the last choice; who was away does not catch up.
  PaceMeter pace_;                               // Of leases' ends, while requests wait.
  telemetry::Gauge* waiting_gauge_ = nullptr;
  telemetry::Counter* refused_ = nullptr;
  std::size_t labelled_ = 0;                     // Endpoints with metrics of their own so far.
};

}  // namespace ragtime::llm
