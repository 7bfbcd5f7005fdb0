#include "index/reach_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ragtime::index {
namespace {

constexpr double kRankLeast = 10;
// Shares that may be missed, for which t is known.
constexpr std::array kMissed{0.1, 0.05, 0.035, 0.025, 0.015, 0.01, 0.005, 0.002};

}  // namespace

ReachSteps::ReachSteps() {
  values_.fill(std::numeric_limits<float>::infinity());
}

ReachSteps ReachSteps::measure(std::span<const std::vector<Neighbour>> samples) {
  ReachSteps steps;
  double rank = kRankLeast;
  for (std::size_t r = 0; r < kRanks; ++r, rank *= 2) {
    std::vector<float> needed;
    for (const auto& neighbours : samples) {
      const std::size_t count = std::min(static_cast<std::size_t>(rank), neighbours.size());
      for (const auto& [score, product, step] : std::span(neighbours).first(count)) {
        const float gap = neighbours[count - 1].score - product;
        needed.push_back(gap <= 0 || step <= 0 ? 0 : gap / step);
      }
    }
    std::sort(needed.begin(), needed.end());
    for (std::size_t m = 0; m < kMisses && !needed.empty(); ++m) {
      const auto at = static_cast<std::size_t>((1 - kMissed[m]) * static_cast<double>(needed.size()));
      steps.values_[r * kMisses + m] = needed[std::min(at, needed.size() - 1)];
    }
  }
  return steps;
}

std::optional<ReachSteps> ReachSteps::restore(std::span<const float> values) {
  ReachSteps steps;
  if (values.size() != steps.values_.size()) return std::nullopt;
  std::copy(values.begin(), values.end(), steps.values_.begin());
  return steps;
}

float ReachSteps::of(double rank, double miss) const {
  static_assert(kMissed.size() == kMisses);
  std::size_t m = 0;
  while (m + 1 < kMisses && kMissed[m] > miss) ++m;
  const double place = std::clamp(std::log2(rank / kRankLeast), 0.0, static_cast<double>(kRanks - 1));
  const auto below = std::min(static_cast<std::size_t>(place), kRanks - 2);
  const auto part = static_cast<float>(place - static_cast<double>(below));
  const float low = values_[below * kMisses + m];
  return part == 0 ? low : low + part * (values_[(below + 1) * kMisses + m] - low);
}

}  // namespace ragtime::index
