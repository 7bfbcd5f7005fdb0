#include "storage/group_writer.h"

#include <utility>

namespace ragtime::storage {

GroupWriter::GroupWriter(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)), thread_([this] { work(); }) {}

GroupWriter::~GroupWriter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_one();
  thread_.join();
}

Result<void> GroupWriter::run(Change change) {
  Job job;
  job.change = std::move(change);
  std::unique_lock lock(mutex_);
  queue_.push_back(&job);
  queued_.notify_one();
  finished_.wait(lock, [&] { return job.done; });
  if (job.failure) std::rethrow_exception(job.failure);
  return *job.outcome;
}

void GroupWriter::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    queued_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::vector<Job*> group = std::exchange(queue_, {});
    lock.unlock();
    write(group);
    lock.lock();
    for (Job* job : group) job->done = true;
    finished_.notify_all();
  }
}

void GroupWriter::write(const std::vector<Job*>& group) {
  auto written = write_transaction(group);
  if (written.has_value()) return;
  if (connection_->in_transaction()) (void)connection_->execute("ROLLBACK");
  for (Job* job : group) {
    const bool refused = job->outcome && job->outcome->has_error();
    if (!refused) job->outcome = written;
  }
}

Result<void> GroupWriter::write_transaction(const std::vector<Job*>& group) {
  RAGTIME_TRY_DONE(connection_->execute("BEGIN IMMEDIATE"));
  for (Job* job : group) {
    RAGTIME_TRY_DONE(apply(*job));
  }
  return connection_->execute("COMMIT");
}

// An error only when the whole transaction is lost; the job's own error goes to its outcome.
Result<void> GroupWriter::apply(Job& job) {
  RAGTIME_TRY_DONE(connection_->execute("SAVEPOINT change"));
  try {
    job.outcome = job.change(*connection_);
  } catch (...) {
    job.failure = std::current_exception();
  }
  // On a full disk and the like SQLite may have rolled everything back by itself.
  if (!connection_->in_transaction()) {
    return job.failure ? make_error(ErrorCode::unavailable, "the transaction was lost; retry") : *job.outcome;
  }
  if (job.failure || job.outcome->has_error()) RAGTIME_TRY_DONE(connection_->execute("ROLLBACK TO change"));
  return connection_->execute("RELEASE change");
}

}  // namespace ragtime::storage
