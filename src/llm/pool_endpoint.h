// One endpoint of a BalancedPool: what its leases, checks and polls have added up to. Private to llm.
//
// Thread safety: belongs to its pool's lock; the instruments are safe by themselves.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "llm/balanced_pool.h"

namespace ragtime::llm {

struct BalancedPool::Endpoint {
  Endpoint(EndpointConfig settings, const EndpointPoolConfig& pool)
      : config(std::make_shared<const EndpointConfig>(std::move(settings))),
        identity(stable_hash(config->url + ' ' + config->model)),
        health(pool.health),
        limit(pool.limit) {}

  bool is(const EndpointConfig& other) const { return config->url == other.url && config->model == other.model; }
  bool full() const { return leased.requests >= limit.value(); }

  std::shared_ptr<const EndpointConfig> config;  // Replaced when key or weight change; leases keep theirs.
  std::uint64_t identity;
  LeasedLoad leased;
  double turns = 0;
  std::uint64_t taken = 0;
  std::array<std::uint64_t, 4> outcomes{};
  EndpointHealth health;
  AdaptiveLimit limit;
  std::optional<PolledLoad> polled;
  struct Instruments {
    telemetry::Gauge& in_flight;
    telemetry::Gauge& tokens;
    telemetry::Gauge& limit;
    telemetry::Gauge& state;
    telemetry::Gauge& polled_age;
    telemetry::Counter& ejections;
    std::array<telemetry::Counter*, 4> outcomes;
  };
  std::optional<Instruments> instruments;
};

}  // namespace ragtime::llm
