#include "index/kmeans.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <random>

#include "base/check.h"
#include "index/product_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kRowsAtOnce = 64;
constexpr std::size_t kSampleRun = 8;
constexpr double kImprovementLeast = 0.001;
// How far the halves of a split cluster are moved apart, of each coordinate.
constexpr float kSplitStep = 1.0f / 1024;

double square_norm(std::span<const float> values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

// The first `count` of a random order of 0 … size − 1.
std::vector<std::size_t> choose(std::size_t size, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < count; ++i) std::swap(order[i], order[i + random() % (size - i)]);
  order.resize(count);
  return order;
}

struct Clusters {
  std::vector<double> sums;
  std::vector<std::size_t> counts;
  std::vector<double> squares;  // Sum of squares of distances.
};

Clusters collect(std::span<const float> rows, std::size_t dimensions, std::size_t count,
                 std::span<const std::uint32_t> numbers, std::span<const float> distances2) {
  Clusters clusters{std::vector<double>(count * dimensions), std::vector<std::size_t>(count),
                    std::vector<double>(count)};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    double* sum = clusters.sums.data() + numbers[i] * dimensions;
    for (std::size_t d = 0; d < dimensions; ++d) sum[d] += rows[i * dimensions + d];
    ++clusters.counts[numbers[i]];
    clusters.squares[numbers[i]] += distances2[i];
  }
  return clusters;
}

void move_to_means(const Clusters& clusters, std::size_t dimensions, std::vector<float>& centroids) {
  for (std::size_t c = 0; c < clusters.counts.size(); ++c) {
    if (clusters.counts[c] == 0) continue;
    for (std::size_t d = 0; d < dimensions; ++d) {
      centroids[c * dimensions + d] =
          static_cast<float>(clusters.sums[c * dimensions + d] / static_cast<double>(clusters.counts[c]));
    }
  }
}

// Each empty cluster becomes a shifted copy of the one with the largest sum of squares, which gives it half of that.
void fill_empty(Clusters& clusters, std::size_t dimensions, std::vector<float>& centroids) {
  for (std::size_t c = 0; c < clusters.counts.size(); ++c) {
    if (clusters.counts[c] != 0) continue;
    const auto largest = static_cast<std::size_t>(std::max_element(clusters.squares.begin(), clusters.squares.end()) -
                                                  clusters.squares.begin());
    if (clusters.counts[largest] < 2) return;
    for (std::size_t d = 0; d < dimensions; ++d) {
      float& from = centroids[largest * dimensions + d];
      const float step = (d % 2 == 0 ? 1 : -1) * kSplitStep * from;
      centroids[c * dimensions + d] = from + step;
      from -= step;
    }
    clusters.counts[c] = clusters.counts[largest] / 2;
    clusters.counts[largest] -= clusters.counts[c];
    clusters.squares[c] = clusters.squares[largest] /= 2;
  }
}

}  // namespace

std::vector<float> make_panels(std::span<const float> rows, std::size_t dimensions) {
  const std::size_t count = dimensions == 0 ? 0 : rows.size() / dimensions;
  std::vector<float> panels((count + kPanelWidth - 1) / kPanelWidth * kPanelWidth * dimensions);
  for (std::size_t r = 0; r < count; ++r) {
    float* panel = panels.data() + r / kPanelWidth * kPanelWidth * dimensions;
    for (std::size_t d = 0; d < dimensions; ++d) panel[d * kPanelWidth + r % kPanelWidth] = rows[r * dimensions + d];
  }
  return panels;
}

CentroidTable::CentroidTable(std::size_t dimensions, std::span<const float> centroids)
    : dimensions_(dimensions),
      count_(dimensions == 0 ? 0 : centroids.size() / dimensions),
      panels_(make_panels(centroids, dimensions)) {
  half_norms_.assign((count_ + kPanelWidth - 1) / kPanelWidth * kPanelWidth, std::numeric_limits<float>::infinity());
  for (std::size_t c = 0; c < count_; ++c) {
    half_norms_[c] = static_cast<float>(square_norm(centroids.subspan(c * dimensions, dimensions)) / 2);
  }
}

void CentroidTable::nearest(std::span<const float> rows, std::span<std::uint32_t> numbers,
                            std::span<float> distances2) const {
  RAGTIME_CHECK(count_ > 0 && rows.size() == numbers.size() * dimensions_);
  const ProductKernels& kernels = best_product_kernels();
  std::array<float, kRowsAtOnce * kPanelWidth> products;
  std::array<float, kRowsAtOnce> best;
  for (std::size_t first = 0; first < numbers.size(); first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, numbers.size() - first);
    const float* block = rows.data() + first * dimensions_;
    best.fill(-std::numeric_limits<float>::infinity());
    std::fill_n(numbers.begin() + static_cast<std::ptrdiff_t>(first), count, 0U);
    for (std::size_t from = 0; from < count_; from += kPanelWidth) {
      kernels.panel_products(block, count, dimensions_, panels_.data() + from * dimensions_, products.data());
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t c = 0; c < kPanelWidth; ++c) {
          const float closeness = products[i * kPanelWidth + c] - half_norms_[from + c];
          if (!(closeness > best[i])) continue;  // Nor where it is no number.
          best[i] = closeness;
          numbers[first + i] = static_cast<std::uint32_t>(from + c);
        }
      }
    }
    for (std::size_t i = 0; i < count && !distances2.empty(); ++i) {
      const double norm2 = square_norm(rows.subspan((first + i) * dimensions_, dimensions_));
      distances2[first + i] = static_cast<float>(std::max(norm2 - 2.0 * best[i], 0.0));
    }
  }
}

std::vector<float> kmeans(std::span<const float> rows, std::size_t dimensions, const KmeansOptions& options) {
  RAGTIME_CHECK(dimensions > 0 && options.clusters > 0 && rows.size() % dimensions == 0);
  const std::size_t count = rows.size() / dimensions;
  const std::size_t wanted = std::min(options.clusters, count);
  std::vector<float> centroids;
  centroids.reserve(wanted * dimensions);
  for (const std::size_t row : choose(count, wanted, options.seed)) {
    const auto from = rows.subspan(row * dimensions, dimensions);
    centroids.insert(centroids.end(), from.begin(), from.end());
  }
  std::vector<std::uint32_t> numbers(count);
  std::vector<float> distances2(count);
  double before = std::numeric_limits<double>::infinity();
  for (std::size_t iteration = 0; iteration < options.iterations_max && wanted < count; ++iteration) {
    CentroidTable(dimensions, centroids).nearest(rows, numbers, distances2);
    Clusters clusters = collect(rows, dimensions, wanted, numbers, distances2);
    const double squares = std::accumulate(clusters.squares.begin(), clusters.squares.end(), 0.0);
    move_to_means(clusters, dimensions, centroids);
    if (squares >= (1 - kImprovementLeast) * before) break;
    fill_empty(clusters, dimensions, centroids);
    before = squares;
  }
  return centroids;
}

std::vector<float> sample_rows(const VectorRows& rows, std::size_t count, std::uint64_t seed) {
  const std::size_t available = rows.ids().size();
  const std::size_t dimensions = rows.dimensions();
  const std::size_t taken = std::min(count, available);
  std::vector<float> sample(taken * dimensions);
  if (taken == available) {
    rows.read(0, sample);
    return sample;
  }
  std::mt19937_64 random(seed);
  const std::size_t runs = (taken + kSampleRun - 1) / kSampleRun;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::size_t at = run * kSampleRun;
    const std::size_t length = std::min(kSampleRun, taken - at);
    const std::size_t begin = available * run / runs;
    const std::size_t room = std::max(available * (run + 1) / runs - begin, length) - length + 1;
    const std::size_t first = std::min(begin + random() % room, available - length);
    rows.read(first, std::span(sample).subspan(at * dimensions, length * dimensions));
  }
  return sample;
}

}  // namespace ragtime::index
