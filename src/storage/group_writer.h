// GroupWriter: the only thread that writes to the database. Changes that wait at the same time share one transaction,
// and so one fsync; each runs in its own savepoint, so that one failing leaves the others alone. Private to storage.
//
// Thread safety: run() may be called from any thread, but not from within a change.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "storage/sqlite.h"

namespace ragtime::storage {

class GroupWriter {
 public:
  using Change = std::function<Result<void>(Connection&)>;

  explicit GroupWriter(std::unique_ptr<Connection> connection);
  ~GroupWriter();  // Finishes what is queued.
  GroupWriter(const GroupWriter&) = delete;
  GroupWriter& operator=(const GroupWriter&) = delete;

  // Returns once the change is durable, or with the error after which nothing of it remains.
  // An exception from the change is rethrown here.
  Result<void> run(Change change);

 private:
  struct Job {
    Change change;
    std::optional<Result<void>> outcome;
    std::exception_ptr failure;
    bool done = false;
  };

  void work();
  void write(const std::vector<Job*>& group);
  Result<void> write_transaction(const std::vector<Job*>& group);
  Result<void> apply(Job& job);

  std::unique_ptr<Connection> connection_;
  std::mutex mutex_;
  std::condition_variable queued_;
  std::condition_variable finished_;
  std::vector<Job*> queue_;  // Guarded by mutex_; the jobs live in the frames of the waiting callers.
  bool stopping_ = false;    // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace ragtime::storage
