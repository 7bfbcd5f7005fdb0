// RetryBudget: how many requests may be retries at once, so that an outage is not answered with a multiple of the load.
//
// A retry is allowed while fewer retries run than a share of the active requests, but always a minimum (the defaults
// are Envoy's). Thread safety: every member may be called from any thread. The budget outlives its permits.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace ragtime::llm {

struct RetryBudgetConfig {
  double share = 0.2;       // Retries among active requests.
  std::size_t minimum = 3;  // Retries that are always allowed; 0 with a share of 0: none ever.
};

class RetryBudget {
 public:
  // Counts one request, or one retry, until it is destroyed.
  class Permit {
   public:
    Permit(Permit&& other) noexcept : count_(std::exchange(other.count_, nullptr)), budget_(other.budget_) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { release(); }

   private:
    friend class RetryBudget;
    void release();
    Permit(std::size_t& count, RetryBudget& budget) : count_(&count), budget_(&budget) {}
    std::size_t* count_;  // Null once moved from; guarded by the budget's mutex.
    RetryBudget* budget_;
  };

  explicit RetryBudget(RetryBudgetConfig config = {}) : config_(config) {}
  ~RetryBudget();
  RetryBudget(const RetryBudget&) = delete;
  RetryBudget& operator=(const RetryBudget&) = delete;

  // For every request, from its first attempt to its end; retries included.
  Permit request();
  // For one retry; nothing when the budget is used up.
  std::optional<Permit> retry();

  std::size_t active() const;
  std::size_t retries() const;

 private:
  const RetryBudgetConfig config_;
  mutable std::mutex mutex_;
  std::size_t active_ = 0;   // Guarded by mutex_.
  std::size_t retries_ = 0;  // Guarded by mutex_.
};

}  // namespace ragtime::llm
