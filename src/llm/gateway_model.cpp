#include "llm/gateway_model.h"

#include <utility>

namespace ragtime::llm {
namespace {

const std::vector<double> kOverheadBuckets = {0.00001, 0.000025, 0.00005, 0.0001, 0.00015, 0.00025,
                                              0.0005,  0.001,    0.0025,  0.005,  0.01,    0.1};

telemetry::Histogram& overhead(telemetry::Metrics& registry, std::string_view stage) {
  return registry.histogram("ragtime_gateway_overhead_seconds", "What the gateway adds to a request's time, by stage.",
                            {{"stage", std::string(stage)}}, kOverheadBuckets);
}

telemetry::Counter& requests(telemetry::Metrics& registry, const std::string& model, std::string_view outcome) {
  return registry.counter("ragtime_gateway_requests_total",
                          "Requests of clients, by the model asked for and their end.",
                          {{"model", model}, {"outcome", std::string(outcome)}});
}

telemetry::Counter& steps(telemetry::Metrics& registry, const std::string& model, std::string_view kind) {
  return registry.counter("ragtime_gateway_steps_total",
                          "What was done for them: attempts sent, and which of these were retries or hedges; fallbacks "
                          "to other models; requests that shared another one's answer.",
                          {{"model", model}, {"kind", std::string(kind)}});
}

telemetry::Counter& tokens(telemetry::Metrics& registry, const std::string& model, std::string_view kind,
                           std::string_view source) {
  return registry.counter("ragtime_gateway_tokens_total",
                          "Tokens of answers, also of those that were cut or left, by the model that answered.",
                          {{"model", model}, {"kind", std::string(kind)}, {"source", std::string(source)}});
}

}  // namespace

OverheadMetrics::OverheadMetrics(telemetry::Metrics& registry)
    : request(overhead(registry, "request")), commit(overhead(registry, "commit")) {}

ModelMetrics::ModelMetrics(telemetry::Metrics& registry, const std::string& model)
    : completed(requests(registry, model, "completed")),
      failed(requests(registry, model, "failed")),
      cut(requests(registry, model, "cut")),
      cancelled(requests(registry, model, "cancelled")),
      refused(requests(registry, model, "refused")),
      attempts(steps(registry, model, "attempt")),
      retries(steps(registry, model, "retry")),
      hedges(steps(registry, model, "hedge")),
      fallbacks(steps(registry, model, "fallback")),
      coalesced(steps(registry, model, "coalesced")),
      prompt_tokens(tokens(registry, model, "prompt", "reported")),
      completion_tokens(tokens(registry, model, "completion", "reported")),
      estimated_prompt_tokens(tokens(registry, model, "prompt", "estimated")),
      estimated_completion_tokens(tokens(registry, model, "completion", "estimated")),
      running(
          registry.gauge("ragtime_gateway_running", "Requests of clients that have not ended.", {{"model", model}})),
      first_token(registry.histogram("ragtime_gateway_first_token_seconds",
                                     "From sending a request to the first output of its answer.", {{"model", model}})) {
}

ModelState::ModelState(GatewayModel settings, telemetry::Metrics& registry)
    : config(std::move(settings)), quota(config.retry.budget_percent), metrics(registry, config.pool->model()) {}

}  // namespace ragtime::llm
