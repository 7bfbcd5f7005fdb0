// LatencyLimit: a time limit that learns from what was observed. Pure; not thread-safe.
//
// Mean and mean deviation are exponentially weighted as in RFC 6298 (1/8 and 1/4); the limit is twice the mean plus four
// deviations, within the bounds, and doubles after each time that it was missed, until something succeeds again. The
// configured maximum holds until kSamplesMin observations.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ragtime::http {

class LatencyLimit {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr int kSamplesMin = 16;

  // Does not learn when `min` is zero or not below `max`.
  LatencyLimit(Milliseconds min, Milliseconds max) : min_(min), max_(max) {}

  Milliseconds limit() const {
    if (min_.count() == 0 || min_ >= max_ || samples_ < kSamplesMin) return max_;
    const double likely = 2 * (mean_ms_ + 4 * deviation_ms_) * back_off_;
    return std::clamp(Milliseconds(std::llround(std::min(likely, 1e12))), min_, max_);
  }

  void observe(std::chrono::duration<double, std::milli> latency) {
    const double ms = latency.count();
    back_off_ = 1;
    if (samples_++ == 0) {
      mean_ms_ = ms;
      deviation_ms_ = ms / 2;
      return;
    }
    samples_ = std::min(samples_, kSamplesMin);
    deviation_ms_ += (std::abs(ms - mean_ms_) - deviation_ms_) / 4;
    mean_ms_ += (ms - mean_ms_) / 8;
  }

  void missed() { back_off_ = std::min(back_off_ * 2, 1024.0); }

 private:
  Milliseconds min_;
  Milliseconds max_;
  int samples_ = 0;
  double mean_ms_ = 0;
  double deviation_ms_ = 0;
  double back_off_ = 1;
};

}  // namespace ragtime::http
