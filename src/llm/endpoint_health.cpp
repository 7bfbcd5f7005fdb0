#include "llm/endpoint_health.h"

#include <algorithm>
#include <bit>

namespace ragtime::llm {
namespace {

using std::chrono::milliseconds;

constexpr double kSlowStartFloor = 0.1;
constexpr std::size_t kOutcomesMax = 64;

milliseconds doubled(milliseconds first, std::size_t times, milliseconds longest) {
  milliseconds out = first;
  for (std::size_t i = 0; i < times && out < longest; ++i) out *= 2;
  return std::min(out, longest);
}

}  // namespace

std::string_view name(HealthState state) {
  switch (state) {
    case HealthState::closed:
      return "closed";
    case HealthState::half_open:
      return "half_open";
    case HealthState::ejected:
      return "ejected";
  }
  return "ejected";
}

HealthState EndpointHealth::state(SteadyTime now) const {
  if (!open_) return HealthState::closed;
  return now < until_ || unchecked_ ? HealthState::ejected : HealthState::half_open;
}

SteadyTime EndpointHealth::next_change(SteadyTime now) const {
  SteadyTime out = SteadyTime::max();
  if (open_ && !unchecked_ && until_ > now) out = until_;
  if (rests_until_ > now) out = std::min(out, rests_until_);
  return out;
}

double EndpointHealth::weight_factor(SteadyTime now) const {
  if (grows_since_ == SteadyTime::min() || now >= grows_since_ + config_.slow_start) return 1;
  const std::chrono::duration<double> grown = now - grows_since_;
  const std::chrono::duration<double> whole = config_.slow_start;
  return std::max(kSlowStartFloor, grown / whole);
}

bool EndpointHealth::on_outcome(Outcome outcome, std::optional<milliseconds> retry_after, bool probe, bool may_eject,
                                SteadyTime now) {
  if (probe) probing_ = false;
  switch (outcome) {
    case Outcome::ignored:
      return false;
    case Outcome::failed:
      return failed(probe, may_eject, now);
    case Outcome::completed:
      overloads_ = 0;
      completed(probe, now);
      return false;
    case Outcome::overloaded: {
      // The many refusals of one moment count as one.
      const bool known = rests_until_ > now && !retry_after;
      if (!known) {
        const milliseconds wait = retry_after.value_or(doubled(config_.rest, overloads_, config_.rest_max));
        rests_until_ = std::max(rests_until_, now + std::min(wait, config_.rest_max));
        ++overloads_;
      }
      completed(probe, now);  // It answered.
      return false;
    }
  }
  return false;
}

void EndpointHealth::completed(bool probe, SteadyTime now) {
  if (probe && state(now) == HealthState::half_open) close(now);
  in_a_row_ = 0;
  remember(false);
}

bool EndpointHealth::failed(bool probe, bool may_eject, SteadyTime now) {
  ++in_a_row_;
  remember(true);
  if (open_) {
    // Requests from before the ejection prove nothing new.
    if (!probe) return false;
    eject(now);
    return true;
  }
  if (!may_eject || (in_a_row_ < config_.failures && !share_is_bad())) return false;
  eject(now);
  return true;
}

bool EndpointHealth::on_check(bool passed, bool may_eject, SteadyTime now) {
  if (passed) {
    checks_failed_ = 0;
    if (++checks_passed_ >= config_.check_successes && unchecked_) {
      unchecked_ = false;
      until_ = now;
    }
    return false;
  }
  checks_passed_ = 0;
  if (++checks_failed_ < config_.check_failures) return false;
  if (open_) {
    unchecked_ = true;
    return false;
  }
  if (!may_eject) return false;
  eject(now);
  unchecked_ = true;
  return true;
}

void EndpointHealth::eject(SteadyTime now) {
  if (!open_) {
    // One doubling is forgotten for each time of an ejection that went well.
    auto good = std::chrono::duration_cast<milliseconds>(now - closed_since_);
    for (milliseconds time{}; level_ > 0; --level_, good -= time) {
      time = doubled(config_.open, level_ - 1, config_.open_max);
      if (good < time) break;
    }
  }
  until_ = now + doubled(config_.open, level_, config_.open_max);
  open_ = true;
  ++level_;
  ++ejections_;
  outcomes_ = 0;
  outcomes_known_ = 0;
  in_a_row_ = 0;
}

void EndpointHealth::close(SteadyTime now) {
  open_ = false;
  closed_since_ = now;
  grows_since_ = now;
}

void EndpointHealth::remember(bool failure) {
  outcomes_ = outcomes_ << 1 | static_cast<std::uint64_t>(failure);
  outcomes_known_ = std::min(outcomes_known_ + 1, kOutcomesMax);
}

bool EndpointHealth::share_is_bad() const {
  const std::size_t window = std::min(config_.share_outcomes_min, kOutcomesMax);
  if (window == 0 || outcomes_known_ < window) return false;
  const std::uint64_t last = window == kOutcomesMax ? outcomes_ : outcomes_ & ((1ull << window) - 1);
  return std::popcount(last) >= config_.failure_share * static_cast<double>(window);
}

}  // namespace ragtime::llm
