// How sure a mean is: confidence intervals by resampling.
//
// Efron's percentile bootstrap: the same number of values is drawn with replacement many times, and the interval holds
// the middle of the means. Of differences of pairs, it is the paired bootstrap test: a difference is significant when
// the interval leaves zero out. The same seed gives the same interval.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ragtime::engine {

struct BootstrapConfig {
  std::size_t resamples = 1000;
  double confidence = 0.95;
  std::uint64_t seed = 1;
};

struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
};

// The mean of the groups' means, each group drawn by itself and of the same weight; empty groups do not count.
Interval bootstrap_mean(const std::vector<std::vector<double>>& groups, const BootstrapConfig& config);

// Of one group.
Interval bootstrap_mean(const std::vector<double>& values, const BootstrapConfig& config);

}  // namespace ragtime::engine
