#include "llm/adaptive_limit.h"

#include <algorithm>
#include <cmath>

namespace ragtime::llm {
namespace {

constexpr double kRecentSamples = 10;
constexpr double kUsualSamples = 500;
// How much of a change one token makes: at most this, and among many in flight less, as their tokens tell of one moment.
constexpr double kSmoothing = 0.2;
constexpr double kTokensOfOneMoment = 8;
constexpr double kGradientMin = 0.5;
constexpr double kOverloadCut = 0.9;

// What late tokens count in the usual time: a queue that lasts must not become the usual, a server that is slower for
// good has to.
constexpr double kLateWeight = 0.05;

// An average over the samples so far at first, then over about `span` of them.
void average_in(double& average, double value, std::size_t samples, double span, double weight = 1) {
  average += weight * (value - average) / std::min(static_cast<double>(samples), span);
}

}  // namespace

AdaptiveLimit::AdaptiveLimit(LimitConfig config) : config_(config), limit_(static_cast<double>(config.initial)) {
  if (config_.adaptive) set(limit_);
}

void AdaptiveLimit::on_first_token(std::chrono::milliseconds after_send, std::size_t in_flight) {
  if (!config_.adaptive) return;
  // Below a millisecond nothing can be said.
  const double ms = std::max(1.0, static_cast<double>(after_send.count()));
  ++samples_;
  average_in(recent_ms_, ms, samples_, kRecentSamples);
  if (samples_ == 1) usual_ms_ = ms;
  const double tolerated = std::max(config_.tolerance * usual_ms_, static_cast<double>(config_.prompt.count()));
  average_in(usual_ms_, ms, samples_, kUsualSamples, recent_ms_ > tolerated ? kLateWeight : 1);
  // What was slow for long and is fast again is soon the usual.
  if (usual_ms_ > 2 * recent_ms_) usual_ms_ *= 0.95;
  const double used = static_cast<double>(in_flight);
  const double smoothing = std::min(kSmoothing, kTokensOfOneMoment / std::max(used, 1.0));
  const double gradient = std::clamp(tolerated / recent_ms_, kGradientMin, 1.0);
  if (gradient < 1) {
    // More are in flight than may be since the last cut: what it does is not to be seen yet.
    if (used > limit_) return;
    const double base = std::min(limit_, 2 * used);
    set(base * (1 - smoothing) + (base * gradient + std::sqrt(base)) * smoothing);
  } else if (2 * used >= limit_) {
    // By its square root while as many tokens come as are in flight; faster, the queue would be there before it showed.
    set(limit_ + std::sqrt(limit_) * std::min(kSmoothing, 1 / std::max(used, 1.0)));
  }
}

void AdaptiveLimit::on_overload(std::size_t in_flight) {
  if (!config_.adaptive) return;
  // Of what was in flight: the many refusals of one moment count as one.
  set(std::min(limit_, static_cast<double>(in_flight) * kOverloadCut));
}

void AdaptiveLimit::set(double limit) {
  const auto minimum = static_cast<double>(std::max<std::size_t>(config_.minimum, 1));
  limit_ = std::clamp(limit, minimum, std::max(minimum, static_cast<double>(config_.maximum)));
}

}  // namespace ragtime::llm
