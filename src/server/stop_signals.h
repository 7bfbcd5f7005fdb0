// StopSignals: SIGINT and SIGTERM as a call on a thread of its own instead of an interruption of whatever runs; SIGHUP,
// where that is wanted, as a sign to read settings again instead of the process's end.
//
// The first signal calls `on_stop`; a second one ends the process at once (exit code 130). Construct it before any
// other thread exists, since threads inherit the set of blocked signals. At most one object per process.
// Thread safety: the members may be called from any thread; `on_stop` runs on the object's thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>

namespace ragtime::server {

class StopSignals {
 public:
  enum class Hangup { ends_process, is_awaited };

  explicit StopSignals(std::function<void()> on_stop = {}, Hangup hangup = Hangup::ends_process);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Replaces what the first signal calls; at once when it has come already.
  void on_stop(std::function<void()> call);
  // True when a SIGHUP has come since the last call; false when the first signal to stop has. Waits for either.
  bool wait_for_hangup();
  bool received() const { return signal_ != 0; }
  int signal() const { return signal_; }

 private:
  sigset_t watched_signals() const;
  void watch();
  void note_hangup();

  const Hangup hangup_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> on_stop_;  // Guarded by mutex_.
  bool hung_up_ = false;           // Guarded by mutex_.
  std::atomic<int> signal_ = 0;
  std::thread thread_;
};

}  // namespace ragtime::server
