#include "index/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <unordered_set>

#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kQueries = 64;
constexpr std::size_t kWanted = 10;
constexpr std::size_t kRowsAtOnce = 256;
constexpr std::size_t kVectorsLeast = 2 * kWanted;
constexpr std::size_t kDrawsMost = 20 * kQueries;
constexpr double kStandardErrors = 2;
constexpr double kEffortStep = 1.4;
constexpr double kRecallEnough = 0.995;
// So many efforts in a row that gain nothing end the search.
constexpr std::size_t kVainMost = 3;

struct Sample {
  ChunkId id = 0;
  std::vector<float> vector{};
  std::unordered_set<ChunkId> neighbours{};
};

// Different vectors and none that is zero, as far as there are such: those find their like at any effort.
std::vector<Sample> sample_rows(const VectorRows& rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Sample> samples;
  std::vector<float> row(rows.dimensions());
  for (std::size_t draw = 0; samples.size() < kQueries && draw < kDrawsMost; ++draw) {
    const std::size_t at = random() % rows.ids().size();
    rows.read(at, row);
    const bool is_zero = std::all_of(row.begin(), row.end(), [](float value) { return value == 0; });
    const bool is_new = std::none_of(samples.begin(), samples.end(), [&](const Sample& s) { return s.vector == row; });
    if (!is_zero && is_new) samples.push_back({rows.ids()[at], row});
  }
  return samples;
}

// The best of others than the sample itself.
std::vector<ChunkId> neighbours_of(const Sample& sample, TopK best) {
  std::vector<ChunkId> ids;
  for (const Hit& hit : std::move(best).take_sorted()) {
    if (hit.id != sample.id && ids.size() < kWanted) ids.push_back(hit.id);
  }
  return ids;
}

std::vector<Sample> make_samples(const VectorRows& rows, std::uint64_t seed) {
  const std::size_t dimensions = rows.dimensions();
  const auto ids = rows.ids();
  auto samples = sample_rows(rows, seed);
  std::vector<TopK> best(samples.size(), TopK(kWanted + 1));
  std::vector<float> values(kRowsAtOnce * dimensions);
  std::array<float, kRowsAtOnce> scores;
  for (std::size_t first = 0; first < ids.size() && !samples.empty(); first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, ids.size() - first);
    rows.read(first, std::span(values).first(count * dimensions));
    for (std::size_t q = 0; q < samples.size(); ++q) {
      best_vector_kernels().dot_rows(samples[q].vector.data(), values.data(), count, dimensions, scores.data());
      for (std::size_t i = 0; i < count; ++i) best[q].offer({ids[first + i], scores[i]});
    }
  }
  for (std::size_t q = 0; q < samples.size(); ++q) {
    const auto neighbours = neighbours_of(samples[q], std::move(best[q]));
    samples[q].neighbours.insert(neighbours.begin(), neighbours.end());
  }
  return samples;
}

double measure(const VectorSegment& segment, std::span<const Sample> samples, std::size_t effort) {
  const OrdinalFilter open(segment.ids(), nullptr, nullptr);
  std::size_t found = 0;
  for (const Sample& sample : samples) {
    TopK best(kWanted + 1);
    segment.search({.vector = sample.vector, .effort = effort, .filter = &open}, best);
    for (const ChunkId id : neighbours_of(sample, std::move(best))) found += sample.neighbours.count(id);
  }
  const auto trials = static_cast<double>(samples.size() * kWanted);
  const double recall = static_cast<double>(found) / trials;
  return recall - kStandardErrors * std::sqrt(recall * (1 - recall) / trials);
}

}  // namespace

std::vector<EffortPoint> calibrate(const VectorSegment& segment, const VectorRows& rows, std::uint64_t seed) {
  std::vector<EffortPoint> points;
  const EffortRange range = segment.effort_range();
  if (range.least == range.most || segment.size() < kVectorsLeast) return points;
  const auto samples = make_samples(rows, seed);
  if (samples.empty()) return points;
  std::size_t vain = 0;
  for (std::size_t effort = range.least; effort <= range.most;) {
    const double recall = measure(segment, samples, effort);
    const bool is_gain = points.empty() || recall > points.back().recall;
    if (is_gain) points.push_back({recall, effort});
    vain = is_gain ? 0 : vain + 1;
    if (recall >= kRecallEnough || vain == kVainMost) break;
    effort = std::max(effort + 1, static_cast<std::size_t>(static_cast<double>(effort) * kEffortStep));
  }
  return points;
}

}  // namespace ragtime::index
