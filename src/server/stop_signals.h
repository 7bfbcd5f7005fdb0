// StopSignals: SIGINT and SIGTERM as a call on a thread of its own instead of an interruption of whatever runs.
//
// The first signal calls `on_stop`; a second one ends the process at once (exit code 130). Construct it before any
// other thread exists, since threads inherit the set of blocked signals. At most one object per process.
// Thread safety: wait() and received() may be called from any thread; `on_stop` runs on the object's thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace ragtime::server {

class StopSignals {
 public:
  explicit StopSignals(std::function<void()> on_stop = {});
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Replaces what the first signal calls; at once when it has come already.
  void on_stop(std::function<void()> call);
  // Returns when the first signal has come.
  void wait();
  bool received() const { return signal_ != 0; }
  int signal() const { return signal_; }

 private:
  void watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> on_stop_;  // Guarded by mutex_.
  std::atomic<int> signal_ = 0;
  std::thread thread_;
};

}  // namespace ragtime::server
