#include "load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ragtime::load {
namespace {

constexpr unsigned kPrecisionBits = 7;
constexpr std::uint64_t kLinear = 1u << (kPrecisionBits + 1);  // Below it every value has a bucket of its own.
constexpr std::uint64_t kHalf = 1u << kPrecisionBits;
constexpr double kUnitsPerMs = 10'000;
constexpr std::uint64_t kValueMax = 1ull << 40;  // A day.

}  // namespace

std::size_t LatencyHistogram::index_of(std::uint64_t value) {
  if (value < kLinear) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - (kPrecisionBits + 1);
  return shift * kHalf + (value >> shift);
}

std::uint64_t LatencyHistogram::upper_end(std::size_t index) {
  if (index < kLinear) return index;
  const std::size_t shift = index / kHalf - 1;
  const std::uint64_t part = index - shift * kHalf;
  return ((part + 1) << shift) - 1;
}

void LatencyHistogram::record(std::chrono::nanoseconds time) {
  const auto value = std::min<std::uint64_t>(kValueMax, static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count())) / 100);
  const std::size_t index = index_of(value);
  if (index >= counts_.size()) counts_.resize(index + 1);
  ++counts_[index];
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += double(value);
  ++count_;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  if (other.count_ == 0) return;
  if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
  for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

double LatencyHistogram::mean_ms() const {
  return count_ == 0 ? 0 : sum_ / double(count_) / kUnitsPerMs;
}

double LatencyHistogram::min_ms() const {
  return double(min_) / kUnitsPerMs;
}

double LatencyHistogram::max_ms() const {
  return double(max_) / kUnitsPerMs;
}

double LatencyHistogram::percentile_ms(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * double(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return double(std::min(upper_end(i), max_)) / kUnitsPerMs;
  }
  return max_ms();
}

std::vector<std::pair<double, std::uint64_t>> LatencyHistogram::buckets() const {
  std::vector<std::pair<double, std::uint64_t>> out;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) out.emplace_back(double(std::min(upper_end(i), max_)) / kUnitsPerMs, counts_[i]);
  }
  return out;
}

LatencyHistogram LatencyHistogram::from_buckets(const std::vector<std::pair<double, std::uint64_t>>& buckets) {
  LatencyHistogram out;
  for (const auto& [ms, count] : buckets) {
    if (count == 0 || !(ms >= 0)) continue;
    LatencyHistogram one;
    one.record(std::chrono::nanoseconds(static_cast<std::int64_t>(std::llround(ms * kUnitsPerMs)) * 100));
    for (auto& value : one.counts_) value *= count;
    one.count_ = count;
    one.sum_ *= double(count);
    out.merge(one);
  }
  return out;
}

}  // namespace ragtime::load
