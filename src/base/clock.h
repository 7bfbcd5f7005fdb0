// Time: a monotonic Deadline that flows down through every call, and a wall clock seam for stored timestamps.
//
// Thread safety: Deadline is a value; Clock implementations are safe to call from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace ragtime {

// A point on the monotonic clock after which nobody wants the answer any more.
class Deadline {
 public:
  using SteadyClock = std::chrono::steady_clock;

  static Deadline never() { return Deadline(SteadyClock::time_point::max()); }
  static Deadline at(SteadyClock::time_point when) { return Deadline(when); }
  static Deadline after(std::chrono::milliseconds wait) { return Deadline(SteadyClock::now() + wait); }

  bool is_never() const { return when_ == SteadyClock::time_point::max(); }
  bool expired() const { return !is_never() && SteadyClock::now() >= when_; }
  SteadyClock::time_point when() const { return when_; }

  // Zero once expired; a very long time (not infinity, so that it can be added to) when never.
  std::chrono::milliseconds remaining() const {
    if (is_never()) return std::chrono::hours(24 * 365);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(when_ - SteadyClock::now());
    return left.count() > 0 ? left : std::chrono::milliseconds(0);
  }

  // The earlier of this one and `wait` from now: how a stage gives a part of its time to a sub-call.
  Deadline sooner(std::chrono::milliseconds wait) const {
    const auto candidate = SteadyClock::now() + wait;
    return Deadline(candidate < when_ ? candidate : when_);
  }

 private:
  explicit Deadline(SteadyClock::time_point when) : when_(when) {}
  SteadyClock::time_point when_;
};

// Wall-clock time for what is stored and shown, as Unix seconds.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t unix_seconds() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::int64_t unix_seconds() const override {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

// Stands still until moved; for tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start = 1'700'000'000) : now_(start) {}
  std::int64_t unix_seconds() const override { return now_.load(); }
  void advance(std::int64_t seconds) { now_ += seconds; }

 private:
  std::atomic<std::int64_t> now_;
};

}  // namespace ragtime
