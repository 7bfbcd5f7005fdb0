// ScriptedPool: an endpoint pool for tests that takes its endpoints in order and remembers how their requests ended.
//
// Thread safety: every member may be called from any thread; add endpoints first.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/wait.h"
#include "llm/endpoint_pool.h"

namespace ragtime::llm {

class ScriptedPool final : public EndpointPool {
 public:
  struct Ended {
    std::string url;
    Outcome outcome;
    std::optional<std::chrono::milliseconds> retry_after;
    bool first_token = false;
    bool operator==(const Ended&) const = default;
  };

  explicit ScriptedPool(std::string model) : model_(std::move(model)) {}

  void add(std::string url, std::string api_key = {}) {
    endpoints_.push_back({std::move(url), "up-" + model_, std::move(api_key), 1});
  }
  void clear() { endpoints_.clear(); }
  // While set, acquire() waits until the request ends.
  void queue(bool wait) { queue_ = wait; }
  // Every later acquire() fails with this.
  void refuse(Error error) { refusal_ = std::move(error); }

  Task<Result<std::unique_ptr<Lease>>> acquire(const Demand& demand, RequestContext& context) override {
    RAGTIME_CO_TRY_DONE(context.check());
    if (queue_) RAGTIME_CO_TRY_DONE(co_await async::sleep_for(std::chrono::hours(1), context));
    const std::lock_guard lock(mutex_);
    ++acquired_;
    prefix_ = demand.prefix;
    tokens_ = demand.tokens;
    priority_ = demand.priority;
    if (refusal_) co_return *refusal_;
    for (const EndpointConfig& endpoint : endpoints_) {
      if (std::ranges::count(demand.excluded_urls, endpoint.url) > 0) continue;
      ++in_flight_;
      co_return std::make_unique<CountedLease>(*this, endpoint);
    }
    co_return make_error(ErrorCode::unavailable, "no endpoint of '" + model_ + "' is left");
  }

  const std::string& model() const override { return model_; }
  std::size_t in_flight() const override { return locked(in_flight_); }
  std::vector<Ended> ended() const { return locked(ended_); }
  std::size_t acquired() const { return locked(acquired_); }
  std::string prefix() const { return locked(prefix_); }
  std::size_t tokens() const { return locked(tokens_); }
  Priority priority() const { return locked(priority_); }

 private:
  class CountedLease final : public Lease {
   public:
    CountedLease(ScriptedPool& pool, const EndpointConfig& endpoint) : pool_(pool), endpoint_(endpoint) {}
    ~CountedLease() override { finish(Outcome::ignored); }
    const EndpointConfig& endpoint() const override { return endpoint_; }
    void first_token(std::chrono::milliseconds) override { first_token_ = true; }
    void finish(Outcome outcome, std::optional<std::chrono::milliseconds> retry_after = {}) override {
      if (std::exchange(finished_, true)) return;
      const std::lock_guard lock(pool_.mutex_);
      --pool_.in_flight_;
      pool_.ended_.push_back({endpoint_.url, outcome, retry_after, first_token_});
    }

   private:
    ScriptedPool& pool_;
    const EndpointConfig endpoint_;
    bool first_token_ = false;
    bool finished_ = false;
  };

  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  const std::string model_;
  std::vector<EndpointConfig> endpoints_;
  std::optional<Error> refusal_;
  std::atomic<bool> queue_ = false;
  mutable std::mutex mutex_;  // Guards what follows.
  std::size_t in_flight_ = 0;
  std::size_t acquired_ = 0;
  std::vector<Ended> ended_;
  std::string prefix_;
  std::size_t tokens_ = 0;
  Priority priority_ = Priority::normal;
};

}  // namespace ragtime::llm
