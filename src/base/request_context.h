// RequestContext: what flows down with every request: deadline, cancellation, trace, tenant, stage timings.
//
// One object per request, created where the request enters (HTTP session, command line, background task) and
// passed by reference to everything that works for it; it outlives all of that work.
// Thread safety: deadline, tenant and ids are constant once work for the request has started; cancellation and
// timings may be used from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace ragtime {

// Milliseconds per stage, in the order in which stages ended, and how many items stages handled. A stage that ran twice
// is summed.
class StageTimings {
 public:
  struct Stage {
    std::string name;
    double milliseconds = 0;
  };
  struct Count {
    std::string name;
    std::size_t items = 0;
  };

  void add(std::string_view name, double milliseconds);
  void count(std::string_view name, std::size_t items);
  std::vector<Stage> snapshot() const;
  std::vector<Count> counts() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Stage> stages_;
  std::vector<Count> counts_;
};

class RequestContext {
 public:
  RequestContext(std::string request_id, std::string tenant, Deadline deadline);
  // A part of a larger request: the same ids, cancelled with the parent, with an earlier deadline and own timings.
  RequestContext(RequestContext& parent, Deadline deadline);

  RequestContext(const RequestContext&) = delete;
  RequestContext& operator=(const RequestContext&) = delete;

  const std::string& request_id() const { return request_id_; }
  const std::string& tenant() const { return tenant_; }
  Deadline deadline() const { return deadline_; }

  // Authentication learns the tenant after the request exists; call before any other work sees the context.
  void set_tenant(std::string tenant) { tenant_ = std::move(tenant); }

  // Asks all work for this request to stop. Idempotent.
  void cancel() { stop_.request_stop(); }
  bool cancelled() const { return stop_.stop_requested(); }
  std::stop_token stop_token() const { return stop_.get_token(); }

  // An error once cancelled or past the deadline; long loops call it between steps.
  Result<void> check() const;

  StageTimings& timings() { return timings_; }

 private:
  std::string request_id_;
  std::string tenant_;
  Deadline deadline_;
  std::stop_source stop_;
  StageTimings timings_;
  std::stop_callback<std::function<void()>> parent_link_;
};

// Adds the time between construction and destruction (or stop()) to a context's timings.
class StageTimer {
 public:
  StageTimer(RequestContext& context, std::string_view stage);
  ~StageTimer() { stop(); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

  void stop();

 private:
  RequestContext& context_;
  std::string stage_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool running_ = true;
};

}  // namespace ragtime
