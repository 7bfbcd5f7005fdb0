// How often a model's requests may be repeated: the quota of retries, the pause before one, and hedges.
//
// Thread safety: every member may be called from any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace ragtime::llm {

// At most `percent` of the last ten seconds' requests are repeated, but always `least` of them: repeating everything
// would multiply the load of servers that fail under it. `least` is more than the failures in a row that eject an
// endpoint, so that a dead one costs no request of a quiet server. With a `percent` of 0 nothing is repeated.
class RetryQuota {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RetryQuota(std::size_t percent, std::size_t least = 10) : percent_(percent), least_(least) {}

  void count_request(Time now = std::chrono::steady_clock::now());
  // Counts the retry if there is room for it.
  bool take_retry(Time now = std::chrono::steady_clock::now());

 private:
  struct Second {
    std::int64_t number = -1;
    std::size_t requests = 0;
    std::size_t retries = 0;
  };

  Second& second_of(Time now);

  const std::size_t percent_;
  const std::size_t least_;
  std::mutex mutex_;
  std::array<Second, 10> seconds_;  // Guarded by mutex_.
};

// Before retry number `retry` (from 0): doubles each time, with "full jitter" over the upper half.
std::chrono::milliseconds retry_pause(std::chrono::milliseconds first, std::chrono::milliseconds max,
                                      std::size_t retry);

// When to ask a second endpoint beside the first: after the 95th percentile of the recent times to the first token, and
// for a tenth of the requests at most.
class HedgePolicy {
 public:
  void count_request();
  void observe_first_token(std::chrono::microseconds after_send);
  // Nothing while too few answers were seen.
  std::optional<std::chrono::microseconds> delay();
  bool take_hedge();

 private:
  static constexpr std::size_t kSamples = 256;
  static constexpr std::size_t kSamplesMin = 20;
  static constexpr double kShare = 0.1;
  static constexpr double kSavedMax = 10;

  std::mutex mutex_;
  std::array<std::int32_t, kSamples> microseconds_{};  // A ring; guarded by mutex_, as the rest.
  std::size_t taken_ = 0;
  std::size_t computed_at_ = 0;  // taken_ when delay_ was computed.
  std::int32_t delay_ = 0;
  double saved_ = 0;  // Hedges that may be sent.
};

}  // namespace ragtime::llm
