// Load estimate: how busy an endpoint is, in requests: our own leases, at once and exactly, and on top what polling
// found that they cannot know, as far as it is fresh.
//
// Requests that the server has beyond ours when polled are others' and count like ours. Waiting ones count again, since
// they stand for a server at its limit; a KV cache above half multiplies the load, up to threefold. A sample counts
// whole for `fresh` and then less and less until `stale`, when our leases alone decide.
// Thread safety: pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "llm/endpoint_health.h"
#include "llm/engine_metrics.h"

namespace ragtime::llm {

struct LeasedLoad {
  std::size_t requests = 0;
  std::size_t tokens = 0;
};

struct PolledLoad {
  EngineSample sample;
  SteadyTime at{};
  std::size_t leased_then = 0;  // Our own requests at that time.
};

struct Freshness {
  std::chrono::milliseconds fresh{1'000};
  std::chrono::milliseconds stale{5'000};
};

// So many estimated tokens weigh as much as a request.
inline constexpr double kTokensPerRequest = 4'096;

double request_load(std::size_t tokens);
double estimate_load(const LeasedLoad& leased, const std::optional<PolledLoad>& polled, const Freshness& freshness,
                     SteadyTime now);
// 1 for a fresh sample, 0 for a stale one.
double freshness_of(const PolledLoad& polled, const Freshness& freshness, SteadyTime now);

}  // namespace ragtime::llm
