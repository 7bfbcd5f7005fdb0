// EndpointHealth: whether an endpoint takes requests, from how its requests ended and from active checks. Sans I/O.
//
// closed ── failures in a row, a share of failures, or failed checks ──▶ ejected ── its time is over ──▶ half_open
//   ▲                                                                      ▲                                │
//   └──────────── the probe completed: weight grows back ──────────────────┴────────── the probe failed ────┘
// An ejection lasts twice as long as the one before, up to a limit, and that memory fades while all goes well. An
// overloaded endpoint rests, for as long as it asked for, and is not ejected. Client cancellations and mistakes
// (Outcome::ignored) count for nothing. Time is an argument everywhere.
// Thread safety: belongs to its pool's lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "llm/endpoint_pool.h"

namespace ragtime::llm {

using SteadyTime = Deadline::SteadyClock::time_point;

struct HealthConfig {
  std::size_t failures = 5;                       // In a row.
  double failure_share = 0.5;                     // Among the last outcomes, at least share_outcomes_min of them.
  std::size_t share_outcomes_min = 20;            // At most 64.
  std::chrono::milliseconds open{30'000};         // The first ejection; doubles.
  std::chrono::milliseconds open_max{300'000};    // The longest.
  std::chrono::milliseconds slow_start{10'000};   // From a tenth of the weight to all of it.
  std::chrono::milliseconds rest{1'000};          // Of an overloaded endpoint that names no time; doubles.
  std::chrono::milliseconds rest_max{60'000};     // Whatever it names.
  std::size_t check_failures = 3;                 // Active checks in a row until it is ejected ...
  std::size_t check_successes = 2;                // ... and until it may be probed.
};

enum class HealthState : std::uint8_t { closed, half_open, ejected };
std::string_view name(HealthState state);

class EndpointHealth {
 public:
  explicit EndpointHealth(HealthConfig config) : config_(config) {}

  HealthState state(SteadyTime now) const;
  // Half-open and without a probe under way: takes one request.
  bool wants_probe(SteadyTime now) const { return state(now) == HealthState::half_open && !probing_; }
  // Overloaded endpoints take nothing until then; in the past when it does not rest.
  SteadyTime rests_until() const { return rests_until_; }
  // The next time at which the state or the rest changes by itself; max() when none is known.
  SteadyTime next_change(SteadyTime now) const;
  // 0.1 to 1: the part of its weight that an endpoint has which came back lately.
  double weight_factor(SteadyTime now) const;

  // Returning from outside, a newly found endpoint for example: weight grows from now on.
  void start_slowly(SteadyTime now) { grows_since_ = now; }
  // The request that is being sent is the probe.
  void begin_probe() { probing_ = true; }
  // `probe`: the request was the probe. `may_eject`: another endpoint is left. True when this ejected it.
  bool on_outcome(Outcome outcome, std::optional<std::chrono::milliseconds> retry_after, bool probe, bool may_eject,
                  SteadyTime now);
  // The result of an active check. True when this ejected it.
  bool on_check(bool passed, bool may_eject, SteadyTime now);

  std::uint64_t ejections() const { return ejections_; }

 private:
  bool failed(bool probe, bool may_eject, SteadyTime now);
  void completed(bool probe, SteadyTime now);
  void eject(SteadyTime now);
  void close(SteadyTime now);
  void remember(bool failure);
  bool share_is_bad() const;

  HealthConfig config_;
  bool open_ = false;             // Ejected or half-open.
  bool unchecked_ = false;        // Ejected by active checks, which have to pass again first.
  bool probing_ = false;
  SteadyTime until_{};            // End of the ejection.
  SteadyTime closed_since_{};     // Of the last return.
  SteadyTime grows_since_{SteadyTime::min()};
  SteadyTime rests_until_{};
  std::size_t in_a_row_ = 0;      // Failures.
  std::size_t overloads_ = 0;     // In a row.
  std::uint64_t outcomes_ = 0;    // The last ones, a bit each, 1 a failure.
  std::size_t outcomes_known_ = 0;
  std::size_t level_ = 0;         // Doublings of the next ejection.
  std::uint64_t ejections_ = 0;
  std::size_t checks_failed_ = 0;
  std::size_t checks_passed_ = 0;
};

}  // namespace ragtime::llm
