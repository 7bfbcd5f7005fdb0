#include "engine/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace ragtime::engine {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double mean_of_drawn(const std::vector<double>& values, std::mt19937_64& random) {
  std::uniform_int_distribution<std::size_t> place(0, values.size() - 1);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += values[place(random)];
  return sum / static_cast<double>(values.size());
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(place))];
}

}  // namespace

Interval bootstrap_mean(const std::vector<std::vector<double>>& groups, const BootstrapConfig& config) {
  std::vector<const std::vector<double>*> filled;
  for (const auto& group : groups) {
    if (!group.empty()) filled.push_back(&group);
  }
  Interval out;
  if (filled.empty()) return out;
  const auto count = static_cast<double>(filled.size());
  for (const auto* group : filled) out.mean += mean_of(*group) / count;
  out.low = out.high = out.mean;
  if (config.resamples == 0) return out;
  std::mt19937_64 random(config.seed);
  std::vector<double> means(config.resamples, 0.0);
  for (double& mean : means) {
    for (const auto* group : filled) mean += mean_of_drawn(*group, random) / count;
  }
  std::sort(means.begin(), means.end());
  out.low = quantile(means, (1 - config.confidence) / 2);
  out.high = quantile(means, (1 + config.confidence) / 2);
  return out;
}

Interval bootstrap_mean(const std::vector<double>& values, const BootstrapConfig& config) {
  return bootstrap_mean(std::vector<std::vector<double>>{values}, config);
}

}  // namespace ragtime::engine
