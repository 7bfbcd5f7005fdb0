#include "rag/ingest_queue.h"

namespace ragtime::rag {

void IngestQueue::push(IngestJob job) {
  const std::lock_guard lock(mutex_);
  const auto running = in_work_.find(key_of(job));
  if (running != in_work_.end()) {
    running->second = true;
  } else {
    push_locked(std::move(job));
  }
}

void IngestQueue::push_locked(IngestJob job) {
  if (waiting_keys_.contains(key_of(job))) return;
  if (waiting_.size() >= jobs_max_) {
    overflow_ = true;
    return;
  }
  waiting_keys_.insert(key_of(job));
  waiting_.push_back(std::move(job));
}

std::optional<IngestJob> IngestQueue::pop() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  IngestJob job = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_keys_.erase(key_of(job));
  in_work_.emplace(key_of(job), false);
  return job;
}

void IngestQueue::finish(const IngestJob& job) {
  const std::lock_guard lock(mutex_);
  const auto running = in_work_.find(key_of(job));
  const bool again = running->second;
  in_work_.erase(running);
  if (again) push_locked(job);
}

bool IngestQueue::take_overflow() {
  const std::lock_guard lock(mutex_);
  return std::exchange(overflow_, false);
}

void IngestQueue::set_overflow() {
  const std::lock_guard lock(mutex_);
  overflow_ = true;
}

std::size_t IngestQueue::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + in_work_.size();
}

}  // namespace ragtime::rag
