#include "base/gcra.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime {
namespace {

constexpr std::chrono::nanoseconds kMinute = std::chrono::minutes(1);
// Debts beyond a day say nothing more, and keep the arithmetic within bounds.
constexpr std::chrono::nanoseconds kDebtMax = std::chrono::hours(24);

}  // namespace

Gcra::Gcra(std::int64_t per_minute) : limit_(per_minute) {
  RAGTIME_CHECK(per_minute > 0);
}

std::chrono::nanoseconds Gcra::time_of(std::int64_t amount) const {
  const double share = static_cast<double>(amount) / static_cast<double>(limit_);
  const double nanoseconds = share * static_cast<double>(kMinute.count());
  const auto most = static_cast<double>(kDebtMax.count());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::clamp(nanoseconds, -most, most)));
}

Gcra::Decision Gcra::check(std::int64_t amount, Time now) const {
  const auto level = std::max(full_at_ - now, Time::duration::zero());
  const auto over = level + time_of(std::min(amount, limit_)) - kMinute;
  if (over <= Time::duration::zero()) return {true, {}};
  return {false, over};
}

Gcra::Decision Gcra::take(std::int64_t amount, Time now) {
  const Decision decision = check(amount, now);
  if (decision.allowed) correct(amount, now);
  return decision;
}

void Gcra::correct(std::int64_t amount, Time now) {
  full_at_ = std::min(std::max(full_at_, now) + time_of(amount), now + kDebtMax);
}

Gcra::State Gcra::state(Time now) const {
  const auto level = std::max(full_at_ - now, Time::duration::zero());
  const double free = static_cast<double>((kMinute - level).count()) / static_cast<double>(kMinute.count());
  State state;
  state.limit = limit_;
  state.remaining = std::max<std::int64_t>(0, static_cast<std::int64_t>(free * static_cast<double>(limit_) + 1e-6));
  state.reset_after = level;
  return state;
}

}  // namespace ragtime
