#include "base/request_context.h"

#include <algorithm>

namespace ragtime {

void StageTimings::add(std::string_view name, double milliseconds) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(stages_, name, &Stage::name);
  if (found != stages_.end()) {
    found->milliseconds += milliseconds;
  } else {
    stages_.push_back({std::string(name), milliseconds});
  }
}

std::vector<StageTimings::Stage> StageTimings::snapshot() const {
  const std::lock_guard lock(mutex_);
  return stages_;
}

void StageTimings::count(std::string_view name, std::size_t items) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(counts_, name, &Count::name);
  if (found != counts_.end()) {
    found->items += items;
  } else {
    counts_.push_back({std::string(name), items});
  }
}

std::vector<StageTimings::Count> StageTimings::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

RequestContext::RequestContext(std::string request_id, std::string tenant, Deadline deadline)
    : request_id_(std::move(request_id)),
      tenant_(std::move(tenant)),
      deadline_(deadline),
      parent_link_(std::stop_token(), [] {}) {}

RequestContext::RequestContext(RequestContext& parent, Deadline deadline)
    : request_id_(parent.request_id_),
      tenant_(parent.tenant_),
      deadline_(std::min(parent.deadline_.when(), deadline.when()) == deadline.when() ? deadline : parent.deadline_),
      parent_link_(parent.stop_.get_token(), [this] { cancel(); }) {}

Result<void> RequestContext::check() const {
  if (cancelled()) return make_error(ErrorCode::cancelled, "the request was cancelled");
  if (deadline_.expired()) return make_error(ErrorCode::deadline_exceeded, "the request ran out of time");
  return {};
}

StageTimer::StageTimer(RequestContext& context, std::string_view stage) : context_(context), stage_(stage) {}

void StageTimer::stop() {
  if (!running_) return;
  running_ = false;
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start_;
  context_.timings().add(stage_, elapsed.count());
}

}  // namespace ragtime
