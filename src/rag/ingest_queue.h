// IngestQueue: the attached documents that wait for the background workers, bounded in memory.
//
// What does not fit waits as a row of the database: take_overflow() says that it is time to look there again.
// Thread safety: every member may be called from any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace ragtime::rag {

struct IngestJob {
  std::string tenant;
  std::string store_id;
  std::string file_id;
};

class IngestQueue {
 public:
  explicit IngestQueue(std::size_t jobs_max) : jobs_max_(jobs_max) {}

  // A job that waits already is not queued twice; one that is in work runs once more afterwards, because its document
  // may have been detached and attached again in between.
  void push(IngestJob job);
  // Every job that is popped must be given to finish().
  std::optional<IngestJob> pop();
  void finish(const IngestJob& job);

  // Whether jobs were left out since the last call.
  bool take_overflow();
  void set_overflow();

  // Waiting in memory and in work.
  std::size_t size() const;

 private:
  using Key = std::pair<std::string, std::string>;
  static Key key_of(const IngestJob& job) { return {job.store_id, job.file_id}; }
  void push_locked(IngestJob job);

  const std::size_t jobs_max_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  std::deque<IngestJob> waiting_;
  std::set<Key> waiting_keys_;
  std::map<Key, bool> in_work_;  // True: once more.
  bool overflow_ = false;
};

}  // namespace ragtime::rag
