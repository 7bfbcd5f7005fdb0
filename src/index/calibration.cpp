#include "index/calibration.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <unordered_set>

#include "index/kmeans.h"
#include "index/product_kernels.h"
#include "index/removed_set.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kQueries = 256;
// Kinds that look at every vector are asked less often if they are large: so many vectors at each effort.
constexpr std::size_t kQueriesLeast = 64;
constexpr std::size_t kScannedMost = 25'000'000;
constexpr std::size_t kWanted = 10;
constexpr std::size_t kRowsAtOnce = 256;
constexpr std::size_t kVectorsLeast = 2 * kWanted;
constexpr std::size_t kDrawsOfEach = 20;
constexpr double kEffortStep = 1.15;
constexpr double kRecallEnough = 0.9995;
// So many efforts in a row that gain nothing end the search, but not before this recall: a kind that looks at some
// vectors at any effort gains nothing at first.
constexpr std::size_t kVainMost = 6;
constexpr double kVainRecall = 0.98;
// How far questions are moved, in distances between two vectors drawn at random.
constexpr float kMoved = 0.3f;

struct Row {
  std::size_t ordinal = 0;
  std::vector<float> vector{};
};

// Different vectors and none that is zero, as far as there are such: those find their like at any effort.
std::vector<Row> draw_rows(const VectorRows& rows, std::size_t count, std::mt19937_64& random) {
  std::vector<Row> drawn;
  if (rows.ids().empty()) return drawn;
  Row row{.vector = std::vector<float>(rows.dimensions())};
  for (std::size_t draw = 0; drawn.size() < count && draw < kDrawsOfEach * count; ++draw) {
    row.ordinal = random() % rows.ids().size();
    rows.read(row.ordinal, row.vector);
    const bool is_zero = std::all_of(row.vector.begin(), row.vector.end(), [](float value) { return value == 0; });
    const bool is_new = std::none_of(drawn.begin(), drawn.end(), [&](const Row& r) { return r.vector == row.vector; });
    if (!is_zero && is_new) drawn.push_back(row);
  }
  return drawn;
}

// Moves a vector by the difference of two others, in the directions in which vectors differ. Keeps its length.
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

// A vector that is searched for as though it were not there.
struct Sample {
  Row row{};
  RemovedSet removed{};  // Itself.
  std::unordered_set<ChunkId> neighbours{};
};

// The nearest of all rows to each of those drawn, but for itself.
std::vector<TopK> exact_neighbours(const VectorRows& rows, std::span<const Row> drawn) {
  std::vector<float> vectors;
  for (const Row& row : drawn) vectors.insert(vectors.end(), row.vector.begin(), row.vector.end());
  const auto panels = make_panels(vectors, rows.dimensions());
  std::vector<TopK> best(drawn.size(), TopK(kWanted));
  std::vector<float> products(kRowsAtOnce * kPanelWidth);
  for_row_blocks(rows, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
    const std::size_t count = values.size() / rows.dimensions();
    for (std::size_t q = 0; q < drawn.size(); ++q) {
      const std::size_t place = q % kPanelWidth;
      if (place == 0) {
        best_product_kernels().panel_products(values.data(), count, rows.dimensions(),
                                              panels.data() + q * rows.dimensions(), products.data());
      }
      for (std::size_t i = 0; i < count; ++i) {
        const float score = products[i * kPanelWidth + place];
        if (score >= best[q].floor() && first + i != drawn[q].ordinal) best[q].offer({rows.ids()[first + i], score});
      }
    }
  });
  return best;
}

std::size_t query_count(VectorKind kind, std::size_t size) {
  const bool is_scan = kind != VectorKind::hnsw && kind != VectorKind::ivf && kind != VectorKind::ivf_pq;
  return is_scan ? std::clamp(kScannedMost / size, kQueriesLeast, kQueries) : kQueries;
}

std::vector<Sample> make_samples(const VectorRows& rows, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto drawn = draw_rows(rows, count, random);
  auto best = exact_neighbours(rows, drawn);
  std::vector<Sample> samples(drawn.size());
  for (std::size_t q = 0; q < samples.size(); ++q) {
    samples[q].row = std::move(drawn[q]);
    samples[q].removed.add(std::span(&samples[q].row.ordinal, 1));
    for (const Hit& hit : std::move(best[q]).take_sorted()) samples[q].neighbours.insert(hit.id);
  }
  return samples;
}

// Recall, less its standard error.
double measure(const VectorSegment& segment, std::span<const Sample> samples, std::size_t effort) {
  double sum = 0, squares = 0;
  for (const Sample& sample : samples) {
    const OrdinalFilter others(segment.ids(), &sample.removed, nullptr);
    TopK best(kWanted);
    segment.search(
        {.vector = sample.row.vector, .effort = effort, .filter = &others, .absent = sample.row.ordinal}, best);
    std::size_t found = 0;
    for (const Hit& hit : std::move(best).take_sorted()) found += sample.neighbours.count(hit.id);
    const double recall = static_cast<double>(found) / kWanted;
    sum += recall;
    squares += recall * recall;
  }
  const auto count = static_cast<double>(samples.size());
  const double mean = sum / count;
  return mean - std::sqrt(std::max(squares / count - mean * mean, 0.0) / count);
}

}  // namespace

std::vector<float> sample_questions(const VectorRows& rows, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> questions, from(rows.dimensions()), to(rows.dimensions());
  for (const Row& row : draw_rows(rows, count, random)) {
    rows.read(random() % rows.ids().size(), from);
    rows.read(random() % rows.ids().size(), to);
    const auto moved = moved_by(row.vector, from, to);
    questions.insert(questions.end(), moved.begin(), moved.end());
  }
  return questions;
}

std::vector<EffortPoint> calibrate(const VectorSegment& segment, const VectorRows& rows, std::uint64_t seed) {
  std::vector<EffortPoint> points;
  const EffortRange range = segment.effort_range();
  if (range.least == range.most || segment.size() < kVectorsLeast) return points;
  const auto samples = make_samples(rows, query_count(segment.kind(), segment.size()), seed);
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
