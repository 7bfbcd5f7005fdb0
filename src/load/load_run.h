// LoadRun: sends a target its requests, closed-loop or open-loop, and measures the answers.
//
// Thread safety: construct and run on one thread; the progress call runs on it; `stop` may be set from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "load/load_config.h"
#include "load/load_result.h"

namespace ragtime::load {

struct LoadProgress {
  std::chrono::milliseconds elapsed{0};
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::size_t in_flight = 0;
  bool warming_up = false;
};

// Blocks until the run has ended. `bodies` are taken in turn. Errors: invalid_argument for the target's URL.
// A run that is stopped returns what it has.
Result<LoadResult> run_load(const LoadTarget& target, const LoadConfig& config, const std::vector<std::string>& bodies,
                            const std::function<void(const LoadProgress&)>& on_progress, const std::atomic<bool>& stop);

}  // namespace ragtime::load
