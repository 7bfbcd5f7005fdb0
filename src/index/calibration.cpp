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
constexpr std::size_t kDrawsOfEach = 20;
constexpr double kStandardErrors = 2;
constexpr double kEffortStep = 1.2;
constexpr double kRecallEnough = 0.9995;
// So many efforts in a row that gain nothing end the search, but not before this recall: a kind that looks at some
// vectors at any effort gains nothing at first.
constexpr std::size_t kVainMost = 3;
constexpr double kVainRecall = 0.98;
// How far samples are moved, in distances between two vectors drawn at random.
constexpr float kMoved = 0.3f;

struct Sample {
  std::vector<float> origin{};  // The vector itself,
  std::vector<float> vector{};  // and moved.
  std::unordered_set<ChunkId> neighbours{};
};

// Moves a vector by the difference of two others, in the directions in which vectors differ: a graph's links lead from
// one of its own to all its neighbours, which no question from outside enjoys. Keeps its length.
std::vector<float> moved_by(std::span<const float> vector, std::span<const float> from, std::span<const float> to) {
  std::vector<float> moved(vector.size());
  double before2 = 0, after2 = 0;
  for (std::size_t i = 0; i < moved.size(); ++i) {
    moved[i] = vector[i] + kMoved * (to[i] - from[i]);
    before2 += static_cast<double>(vector[i]) * vector[i];
    after2 += static_cast<double>(moved[i]) * moved[i];
  }
  const auto scale = static_cast<float>(after2 > 0 ? std::sqrt(before2 / after2) : 0);
  for (float& value : moved) value *= scale;
  return moved;
}

// Different vectors and none that is zero, as far as there are such: those find their like at any effort.
std::vector<Sample> sample_rows(const VectorRows& rows, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto draw_row = [&](std::span<float> row) { rows.read(random() % rows.ids().size(), row); };
  std::vector<Sample> samples;
  if (rows.ids().empty()) return samples;
  std::vector<float> row(rows.dimensions()), from(rows.dimensions()), to(rows.dimensions());
  for (std::size_t draw = 0; samples.size() < count && draw < kDrawsOfEach * count; ++draw) {
    draw_row(row);
    const bool is_zero = std::all_of(row.begin(), row.end(), [](float value) { return value == 0; });
    const bool is_new = std::none_of(samples.begin(), samples.end(), [&](const Sample& s) { return s.origin == row; });
    if (is_zero || !is_new) continue;
    draw_row(from);
    draw_row(to);
    samples.push_back({row, moved_by(row, from, to)});
  }
  return samples;
}

std::vector<Sample> make_samples(const VectorRows& rows, std::uint64_t seed) {
  const std::size_t dimensions = rows.dimensions();
  const auto ids = rows.ids();
  auto samples = sample_rows(rows, kQueries, seed);
  std::vector<TopK> best(samples.size(), TopK(kWanted));
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
    for (const Hit& hit : std::move(best[q]).take_sorted()) samples[q].neighbours.insert(hit.id);
  }
  return samples;
}

double measure(const VectorSegment& segment, std::span<const Sample> samples, std::size_t effort) {
  const OrdinalFilter open(segment.ids(), nullptr, nullptr);
  std::size_t found = 0;
  for (const Sample& sample : samples) {
    TopK best(kWanted);
    segment.search({.vector = sample.vector, .effort = effort, .filter = &open}, best);
    for (const Hit& hit : std::move(best).take_sorted()) found += sample.neighbours.count(hit.id);
  }
  const auto trials = static_cast<double>(samples.size() * kWanted);
  const double recall = static_cast<double>(found) / trials;
  return recall - kStandardErrors * std::sqrt(recall * (1 - recall) / trials);
}

}  // namespace

std::vector<float> sample_questions(const VectorRows& rows, std::size_t count, std::uint64_t seed) {
  std::vector<float> questions;
  for (const Sample& sample : sample_rows(rows, count, seed)) {
    questions.insert(questions.end(), sample.vector.begin(), sample.vector.end());
  }
  return questions;
}

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
    if (recall >= kRecallEnough || (vain >= kVainMost && points.back().recall >= kVainRecall)) break;
    effort = std::max(effort + 1, static_cast<std::size_t>(static_cast<double>(effort) * kEffortStep));
  }
  return points;
}

}  // namespace ragtime::index
