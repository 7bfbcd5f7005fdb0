#include "llm/retry_policy.h"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace ragtime::llm {

RetryQuota::Second& RetryQuota::second_of(Time now) {
  const std::int64_t number = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  Second& second = seconds_[static_cast<std::size_t>(number) % seconds_.size()];
  if (second.number != number) second = {number, 0, 0};
  return second;
}

void RetryQuota::count_request(Time now) {
  const std::lock_guard lock(mutex_);
  ++second_of(now).requests;
}

bool RetryQuota::take_retry(Time now) {
  if (percent_ == 0) return false;
  const std::lock_guard lock(mutex_);
  Second& current = second_of(now);
  std::size_t requests = 0;
  std::size_t retries = 0;
  for (const Second& second : seconds_) {
    if (second.number <= current.number - static_cast<std::int64_t>(seconds_.size())) continue;
    requests += second.requests;
    retries += second.retries;
  }
  if (retries >= std::max(least_, requests * percent_ / 100)) return false;
  ++current.retries;
  return true;
}

std::chrono::milliseconds retry_pause(std::chrono::milliseconds first, std::chrono::milliseconds max,
                                      std::size_t retry) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto whole = std::min<std::chrono::milliseconds>(max, first * (1ll << std::min<std::size_t>(retry, 20)));
  std::uniform_int_distribution<std::int64_t> part(whole.count() / 2, whole.count());
  return std::chrono::milliseconds(part(random));
}

void HedgePolicy::count_request() {
  const std::lock_guard lock(mutex_);
  saved_ = std::min(kSavedMax, saved_ + kShare);
}

void HedgePolicy::observe_first_token(std::chrono::microseconds after_send) {
  const std::lock_guard lock(mutex_);
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  microseconds_[taken_++ % kSamples] = static_cast<std::int32_t>(std::min<std::int64_t>(after_send.count(), kMax));
}

std::optional<std::chrono::microseconds> HedgePolicy::delay() {
  const std::lock_guard lock(mutex_);
  if (taken_ < kSamplesMin) return std::nullopt;
  // A percentile moves slowly: sixteen answers share one.
  if (computed_at_ == 0 || taken_ - computed_at_ >= 16) {
    std::vector<std::int32_t> recent(microseconds_.begin(), microseconds_.begin() + std::min(taken_, kSamples));
    const auto at = recent.begin() + static_cast<std::ptrdiff_t>(recent.size() * 95 / 100);
    std::nth_element(recent.begin(), at, recent.end());
    delay_ = *at;
    computed_at_ = taken_;
  }
  return std::chrono::microseconds(delay_);
}

bool HedgePolicy::take_hedge() {
  const std::lock_guard lock(mutex_);
  if (saved_ < 1) return false;
  saved_ -= 1;
  return true;
}

}  // namespace ragtime::llm
