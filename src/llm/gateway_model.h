// What the gateway keeps for each configured model: its settings, its retry quota and its instruments. Private to llm.
//
// Thread safety: every member may be used from any thread.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llm/gateway.h"
#include "llm/retry_policy.h"
#include "telemetry/metrics.h"

namespace ragtime::llm {

// What the gateway itself takes of a request's time.
struct OverheadMetrics {
  explicit OverheadMetrics(telemetry::Metrics& registry);

  telemetry::Histogram& request;  // From the request to its sending, without the wait for an endpoint.
  telemetry::Histogram& commit;   // From the arrival of the output that decides to its being handed over.
};

struct ModelMetrics {
  ModelMetrics(telemetry::Metrics& registry, const std::string& model);

  telemetry::Counter& completed;  // Answers, by how they ended.
  telemetry::Counter& failed;
  telemetry::Counter& cut;
  telemetry::Counter& cancelled;
  telemetry::Counter& refused;
  telemetry::Counter& attempts;
  telemetry::Counter& retries;
  telemetry::Counter& hedges;
  telemetry::Counter& fallbacks;
  telemetry::Counter& coalesced;
  telemetry::Counter& prompt_tokens;
  telemetry::Counter& completion_tokens;
  telemetry::Counter& estimated_prompt_tokens;
  telemetry::Counter& estimated_completion_tokens;
  telemetry::Gauge& running;
  telemetry::Histogram& first_token;
};

// One request of a client, from its beginning to the end of its answer.
class RunningRequest {
 public:
  explicit RunningRequest(telemetry::Gauge& gauge) : gauge_(gauge) { gauge_.add(1); }
  ~RunningRequest() { gauge_.add(-1); }
  RunningRequest(const RunningRequest&) = delete;
  RunningRequest& operator=(const RunningRequest&) = delete;

 private:
  telemetry::Gauge& gauge_;
};

struct ModelState {
  ModelState(GatewayModel settings, telemetry::Metrics& registry);

  const std::string& name() const { return config.pool->model(); }

  const GatewayModel config;
  RetryQuota quota;
  HedgePolicy hedging;
  ModelMetrics metrics;
};

}  // namespace ragtime::llm
