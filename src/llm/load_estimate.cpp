#include "llm/load_estimate.h"

#include <algorithm>

namespace ragtime::llm {
namespace {

constexpr double kCacheUseCalm = 0.5;
constexpr double kCacheUseWeight = 4;  // Threefold load for a full cache.

}  // namespace

double request_load(std::size_t tokens) {
  return 1 + static_cast<double>(tokens) / kTokensPerRequest;
}

double freshness_of(const PolledLoad& polled, const Freshness& freshness, SteadyTime now) {
  const std::chrono::duration<double> age = now - polled.at;
  if (age <= freshness.fresh) return 1;
  if (age >= freshness.stale) return 0;
  const std::chrono::duration<double> fades = freshness.stale - freshness.fresh;
  return 1 - (age - freshness.fresh) / fades;
}

double estimate_load(const LeasedLoad& leased, const std::optional<PolledLoad>& polled, const Freshness& freshness,
                     SteadyTime now) {
  const double own = static_cast<double>(leased.requests) + static_cast<double>(leased.tokens) / kTokensPerRequest;
  if (!polled) return own;
  const double trust = freshness_of(*polled, freshness, now);
  const EngineSample& sample = polled->sample;
  double others = 0;
  if (sample.running || sample.waiting) {
    const double total = sample.running.value_or(0) + sample.waiting.value_or(0);
    others = std::max(0.0, total - static_cast<double>(polled->leased_then)) + sample.waiting.value_or(0);
  }
  const double cache = std::max(0.0, sample.cache_use.value_or(0) - kCacheUseCalm) * kCacheUseWeight;
  // At least one request, so that a full cache shows on an endpoint without any of ours.
  return own + trust * others + trust * cache * std::max(1.0, own + others);
}

}  // namespace ragtime::llm
