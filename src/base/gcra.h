// Gcra: the generic cell rate algorithm: how much of something per minute, in constant memory and without a timer.
//
// Source: ITU-T I.371, Annex A (virtual scheduling). The state is one time, at which the bucket would be full again.
// A full bucket holds the amount of one minute, so that it may be taken at once; afterwards it refills evenly.
// Thread safety: a value; the owner guards it. Times come from the caller, so that tests need no clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace ragtime {

class Gcra {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct State {
    std::int64_t limit = 0;      // Per minute.
    std::int64_t remaining = 0;  // Can be taken now.
    std::chrono::nanoseconds reset_after{0};  // Until the bucket is full again.
  };
  struct Decision {
    bool allowed = false;
    std::chrono::nanoseconds retry_after{0};  // When refused: until the same amount can be taken.
  };

  // Precondition: per_minute > 0. A new bucket is full.
  explicit Gcra(std::int64_t per_minute);

  std::int64_t limit() const { return limit_; }
  // Takes the amount, or refuses and changes nothing. More than a whole bucket waits for a full one and then leaves a
  // debt, so that it is not refused for ever.
  Decision take(std::int64_t amount, Time now);
  // Whether take() would allow it.
  Decision check(std::int64_t amount, Time now) const;
  // Corrects an earlier estimate: takes more (the bucket may go into debt), or gives back when negative.
  void correct(std::int64_t amount, Time now);
  State state(Time now) const;
  // Whether the bucket is as good as new.
  bool full(Time now) const { return full_at_ <= now; }

 private:
  std::chrono::nanoseconds time_of(std::int64_t amount) const;

  std::int64_t limit_;
  Time full_at_{};  // In the past: full.
};

}  // namespace ragtime
