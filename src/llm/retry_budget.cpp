#include "llm/retry_budget.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime::llm {

RetryBudget::Permit& RetryBudget::Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  release();
  count_ = std::exchange(other.count_, nullptr);
  budget_ = other.budget_;
  return *this;
}

void RetryBudget::Permit::release() {
  if (count_ == nullptr) return;
  const std::lock_guard lock(budget_->mutex_);
  --*std::exchange(count_, nullptr);
}

RetryBudget::~RetryBudget() {
  RAGTIME_CHECK(active_ == 0 && retries_ == 0);
}

RetryBudget::Permit RetryBudget::request() {
  const std::lock_guard lock(mutex_);
  ++active_;
  return Permit(active_, *this);
}

std::optional<RetryBudget::Permit> RetryBudget::retry() {
  const std::lock_guard lock(mutex_);
  const double allowed = std::max(config_.share * static_cast<double>(active_), static_cast<double>(config_.minimum));
  if (static_cast<double>(retries_ + 1) > allowed) return std::nullopt;
  ++retries_;
  return Permit(retries_, *this);
}

std::size_t RetryBudget::active() const {
  const std::lock_guard lock(mutex_);
  return active_;
}

std::size_t RetryBudget::retries() const {
  const std::lock_guard lock(mutex_);
  return retries_;
}

}  // namespace ragtime::llm
