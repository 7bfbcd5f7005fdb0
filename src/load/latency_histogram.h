// LatencyHistogram: counts of latencies in buckets whose width is at most 1/128 of their value, so that percentiles of
// any number of samples need little memory and are right within 0.8 %.
//
// Thread safety: a value; belongs to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ragtime::load {

class LatencyHistogram {
 public:
  void record(std::chrono::nanoseconds value);
  void merge(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  // In milliseconds; 0 when nothing was recorded.
  double mean_ms() const;
  double min_ms() const;
  double max_ms() const;
  // The smallest value that at least `share` (0..1) of the samples do not exceed: the upper end of its bucket, at most
  // the maximum.
  double percentile_ms(double share) const;

  // (upper end in ms, samples) of every bucket that is not empty, ascending.
  std::vector<std::pair<double, std::uint64_t>> buckets() const;
  // One that was written out as buckets(); mean and extremes are those of the buckets.
  static LatencyHistogram from_buckets(const std::vector<std::pair<double, std::uint64_t>>& buckets);

 private:
  static std::size_t index_of(std::uint64_t us_tenths);
  static std::uint64_t upper_end(std::size_t index);

  std::vector<std::uint64_t> counts_;  // Grows with the largest value; unit: tenths of a microsecond.
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::uint64_t min_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace ragtime::load
