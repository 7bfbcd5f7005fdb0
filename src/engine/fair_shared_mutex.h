// FairSharedMutex: a shared mutex whose writers do not starve under a steady stream of readers, as those of
// std::shared_mutex may. For std::unique_lock and std::shared_lock; not recursive, also not for readers.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace ragtime::engine {

class FairSharedMutex {
 public:
  void lock() {
    // Readers that come while the writer waits for its turn queue up behind it.
    std::lock_guard turn(turnstile_);
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  void lock_shared() {
    std::lock_guard turn(turnstile_);
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex turnstile_;
  std::shared_mutex mutex_;
};

}  // namespace ragtime::engine
