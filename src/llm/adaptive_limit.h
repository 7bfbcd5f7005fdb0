// AdaptiveLimit: how many requests an endpoint may have in flight, learned from its time to the first token.
//
// While the first token comes about as fast as it usually does, the limit grows by its square root for as many tokens as
// are in flight, as far as it is used; when it comes much later, the limit shrinks toward what was in flight, by the ratio
// of usual to recent time (the gradient limiter of Netflix' concurrency-limits), and not again before no more are in
// flight than it allows; an overloaded endpoint cuts it at once (AIMD). Late tokens hardly count as usual.
// Thread safety: belongs to its pool's lock.
#pragma once

#include <chrono>
#include <cstddef>

namespace ragtime::llm {

struct LimitConfig {
  bool adaptive = true;       // False: always `initial`.
  std::size_t initial = 1024;
  std::size_t minimum = 32;
  std::size_t maximum = 16'384;
  double tolerance = 2;       // Recent times up to this multiple of the usual ones are no sign of a queue,
  std::chrono::milliseconds prompt{100};  // nor are times up to this: a busy processor makes 2 ms of 1 as well.
};

class AdaptiveLimit {
 public:
  explicit AdaptiveLimit(LimitConfig config);

  std::size_t value() const { return static_cast<std::size_t>(limit_); }
  // `in_flight`: including the one whose first token came.
  void on_first_token(std::chrono::milliseconds after_send, std::size_t in_flight);
  // `in_flight`: including the one that was refused.
  void on_overload(std::size_t in_flight);

 private:
  void set(double limit);

  LimitConfig config_;
  double limit_;
  double recent_ms_ = 0;  // Moving averages of the time to the first token.
  double usual_ms_ = 0;
  std::size_t samples_ = 0;
};

}  // namespace ragtime::llm
