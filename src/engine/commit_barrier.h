// CommitBarrier: lets a reader of the database wait until the commits that it may have seen are in the index as well.
//
// Waiting holds nobody up: later commits begin and end meanwhile.
// Thread safety: every member may be called from any thread. The barrier outlives its marks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

namespace ragtime::engine {

class CommitBarrier {
 public:
  // A change, from before its commit until it is in the index.
  class Mark {
   public:
    explicit Mark(CommitBarrier& barrier) : barrier_(barrier), number_(barrier.begin()) {}
    ~Mark() { barrier_.end(number_); }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    CommitBarrier& barrier_;
    const std::uint64_t number_;
  };

  // What runs now, for wait(); nothing when nothing does.
  std::optional<std::uint64_t> running() const {
    const std::lock_guard lock(mutex_);
    if (running_.empty()) return std::nullopt;
    return *running_.rbegin();
  }
  // Blocks until the changes that running() meant have ended.
  void wait(std::uint64_t last) const {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return running_.empty() || *running_.begin() > last; });
  }

 private:
  std::uint64_t begin() {
    const std::lock_guard lock(mutex_);
    running_.insert(next_);
    return next_++;
  }
  void end(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    running_.erase(number);
    ended_.notify_all();
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  std::set<std::uint64_t> running_;  // Guarded by mutex_.
  std::uint64_t next_ = 0;           // Guarded by mutex_.
};

}  // namespace ragtime::engine
