// PaceMeter: how fast things end while others wait for them to.
//
// Ends come in bursts, as requests that began together end together, so a mean of gaps would say at each burst that the
// pace is great. Here ends and time are summed, both forgotten over some seconds. Time in which nobody waits does not
// pass: then the pace is that of arrivals, and says nothing of what is possible.
// Thread safety: none; belongs to its pool's lock.
#pragma once

#include <chrono>
#include <cmath>

namespace ragtime::llm {

class PaceMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Whether somebody waits, from now on.
  void run(bool waiting, Time now) {
    advance(now);
    running_ = waiting;
    last_ = now;
  }
  void count(Time now) {
    if (!running_) return;
    advance(now);
    ends_ += 1;
  }
  // Milliseconds from one end to the next. As if one more had ended: nothing is known at first, and then the answer is
  // the time so far.
  double gap_ms(Time now) {
    advance(now);
    return time_ms_ / (ends_ + 1);
  }

 private:
  static constexpr double kSpanMs = 2'000;

  void advance(Time now) {
    if (!running_) return;
    const double passed = std::chrono::duration<double, std::milli>(now - last_).count();
    const double kept = std::exp(-passed / kSpanMs);
    ends_ *= kept;
    time_ms_ = time_ms_ * kept + kSpanMs * (1 - kept);
    last_ = now;
  }

  bool running_ = false;
  Time last_{};
  double ends_ = 0;
  double time_ms_ = 0;
};

}  // namespace ragtime::llm
