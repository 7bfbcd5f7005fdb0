#include "index/vector_cells.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/check.h"
#include "index/kmeans.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kVectorsLeast = 2048;
constexpr double kCellsOfRoot = 2;
constexpr std::size_t kTrainedPerCell = 32;
constexpr std::size_t kIterations = 4;
constexpr std::size_t kRowsAtOnce = 1024;
// What residuals' lengths and products with centroids may err by, for each unit of the query's length.
constexpr float kRounding = 0.01f;
// As many centroids, against what there should be, are taken over.
constexpr double kTakenLeast = 0.75;
constexpr double kTakenMost = 1.5;
constexpr std::uint32_t kNone = 0xffffffff;

// The cell of each id, or kNone.
std::vector<std::uint32_t> known_cells(std::span<const ChunkId> ids, std::span<const ChunkId> previous_ids,
                                       std::span<const std::uint32_t> previous_cells) {
  std::vector<std::uint32_t> cells(ids.size(), kNone);
  for (std::size_t i = 0, j = 0; i < ids.size(); ++i) {
    while (j < previous_ids.size() && previous_ids[j] < ids[i]) ++j;
    if (j < previous_ids.size() && previous_ids[j] == ids[i]) cells[i] = previous_cells[j];
  }
  return cells;
}

// Cells of vectors and squares of distances to their centroids.
class Assignment {
 public:
  Assignment(std::size_t dimensions, std::span<const float> centroids, std::size_t vectors)
      : numbers(vectors), distances2(vectors), dimensions_(dimensions), centroids_(centroids),
        table_(dimensions, centroids) {
    for (std::size_t at = 0; at < centroids.size(); at += dimensions) norms2_.push_back(norm2(centroids.data() + at));
  }

  void find_nearest(const VectorRows& rows) {
    for_row_blocks(rows, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
      const std::size_t taken = values.size() / dimensions_;
      table_.nearest(values, std::span(numbers).subspan(first, taken), std::span(distances2).subspan(first, taken));
    });
  }

  // Those whose known cell reaches as far stay there.
  void keep_near(const VectorRows& rows, std::span<const std::uint32_t> known, std::span<const float> radii) {
    std::vector<float> others;
    std::vector<std::size_t> ordinals;
    for_row_blocks(rows, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
      others.clear();
      ordinals.clear();
      for (std::size_t i = 0; i * dimensions_ < values.size(); ++i) {
        const auto vector = values.subspan(i * dimensions_, dimensions_);
        if (keep(first + i, vector, known[first + i], radii)) continue;
        others.insert(others.end(), vector.begin(), vector.end());
        ordinals.push_back(first + i);
      }
      find_nearest(others, ordinals);
    });
  }

  std::vector<std::uint32_t> numbers;
  std::vector<float> distances2;

 private:
  float norm2(const float* vector) const { return best_vector_kernels().dot(vector, vector, dimensions_); }

  bool keep(std::size_t ordinal, std::span<const float> vector, std::uint32_t cell, std::span<const float> radii) {
    if (cell == kNone) return false;
    const float product =
        best_vector_kernels().dot(vector.data(), centroids_.data() + cell * dimensions_, dimensions_);
    const float distance2 = norm2(vector.data()) - 2 * product + norms2_[cell];
    if (!(distance2 <= radii[cell] * radii[cell])) return false;
    numbers[ordinal] = cell;
    distances2[ordinal] = distance2;
    return true;
  }

  void find_nearest(std::span<const float> vectors, std::span<const std::size_t> ordinals) {
    std::vector<std::uint32_t> cells(ordinals.size());
    std::vector<float> squares(ordinals.size());
    if (!ordinals.empty()) table_.nearest(vectors, cells, squares);
    for (std::size_t i = 0; i < ordinals.size(); ++i) {
      numbers[ordinals[i]] = cells[i];
      distances2[ordinals[i]] = squares[i];
    }
  }

  std::size_t dimensions_;
  std::span<const float> centroids_;
  CentroidTable table_;
  std::vector<float> norms2_;
};

}  // namespace

VectorCells VectorCells::build(const VectorRows& rows, const CodeFrame& frame, std::uint64_t seed,
                               const Previous* previous) {
  VectorCells cells;
  const std::size_t count = rows.ids().size();
  if (count < kVectorsLeast) return cells;
  const double wanted = kCellsOfRoot * std::sqrt(static_cast<double>(count));
  const std::size_t dimensions = rows.dimensions();
  const auto there = static_cast<double>(previous == nullptr ? 0 : previous->cells.size());
  const bool is_taken = there >= kTakenLeast * wanted && there <= kTakenMost * wanted;
  std::vector<float> centroids;
  if (is_taken) {
    centroids = previous->cells.decode_centroids(frame);
    cells.half_ = frame.half();
    cells.high_ = AlignedColumn<std::uint8_t>(previous->cells.high_.span());
    for (const Factors& factors : previous->cells.factors_) cells.factors_.push_back({factors.add, factors.scale});
  } else {
    const auto clusters = static_cast<std::size_t>(wanted);
    centroids = kmeans(sample_rows(rows, clusters * kTrainedPerCell, seed), dimensions, {clusters, kIterations, seed});
    cells.encode_centroids(centroids, frame);
  }
  Assignment assigned(dimensions, centroids, count);
  if (is_taken) {
    std::vector<float> radii;
    for (const Factors& factors : previous->cells.factors_) radii.push_back(factors.radius);
    assigned.keep_near(rows, known_cells(rows.ids(), previous->ids, previous->cells.cells_of_ordinals()), radii);
  } else {
    assigned.find_nearest(rows);
  }
  cells.measure(assigned.numbers, assigned.distances2, dimensions);
  cells.place(assigned.numbers);
  return cells;
}

void VectorCells::encode_centroids(std::span<const float> centroids, const CodeFrame& frame) {
  const std::size_t count = centroids.size() / frame.dimensions();
  half_ = frame.half();
  high_ = AlignedColumn<std::uint8_t>(count * frame.half());
  std::vector<std::uint8_t> low(frame.half());
  std::vector<float> rotated(frame.coordinates());
  for (std::size_t cell = 0; cell < count; ++cell) {
    const auto centroid = centroids.subspan(cell * frame.dimensions(), frame.dimensions());
    const CodeTerms terms = frame.encode(centroid, rotated, high_.data() + cell * frame.half(), low.data());
    factors_.push_back({.add = terms.add, .scale = terms.coarse_scale});
  }
}

std::vector<float> VectorCells::decode_centroids(const CodeFrame& frame) const {
  constexpr std::uint8_t kMiddle = 0x87;  // Lower bits of two coordinates, which are not there.
  constexpr float kFineSteps = 16;
  const std::vector<std::uint8_t> low(frame.half(), kMiddle);
  std::vector<float> centroids(size() * frame.dimensions());
  for (std::size_t cell = 0; cell < size(); ++cell) {
    frame.decode(high_.data() + cell * half_, low.data(), factors_[cell].scale / kFineSteps,
                 std::span(centroids).subspan(cell * frame.dimensions(), frame.dimensions()));
  }
  return centroids;
}

std::vector<std::uint32_t> VectorCells::cells_of_ordinals() const {
  std::vector<std::uint32_t> cells(ordinals_.size());
  for (std::uint32_t cell = 0; cell < size(); ++cell) {
    for (const std::uint32_t ordinal : of(cell)) cells[ordinal] = cell;
  }
  return cells;
}

// Spreads and radii.
void VectorCells::measure(std::span<const std::uint32_t> numbers, std::span<const float> distances2,
                          std::size_t dimensions) {
  std::vector<double> squares(size());
  std::vector<double> fourth_powers(size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double square = std::max(distances2[i], 0.0f);
    squares[numbers[i]] += square;
    fourth_powers[numbers[i]] += square * square;
    factors_[numbers[i]].radius = std::max(factors_[numbers[i]].radius, static_cast<float>(std::sqrt(square)));
  }
  for (std::size_t cell = 0; cell < size(); ++cell) {
    const double weighted = squares[cell] > 0 ? fourth_powers[cell] / squares[cell] : 0;
    factors_[cell].step = static_cast<float>(std::sqrt(weighted / static_cast<double>(dimensions)));
    factors_[cell].radius += kRounding;
  }
}

void VectorCells::place(std::span<const std::uint32_t> numbers) {
  begins_.assign(size() + 1, 0);
  for (const std::uint32_t cell : numbers) ++begins_[cell + 1];
  for (std::size_t cell = 0; cell < size(); ++cell) begins_[cell + 1] += begins_[cell];
  ordinals_ = AlignedColumn<std::uint32_t>(numbers.size());
  std::vector<std::uint32_t> next(begins_.begin(), begins_.end() - 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) ordinals_[next[numbers[i]]++] = static_cast<std::uint32_t>(i);
}

void VectorCells::calibrate(std::span<const Neighbours> samples) {
  if (empty() || samples.empty()) return;
  const auto cell_of = cells_of_ordinals();
  std::vector<std::vector<float>> products(samples.size(), std::vector<float>(size()));
  for (std::size_t q = 0; q < samples.size(); ++q) centroid_products(samples[q].query, products[q]);
  std::vector<std::vector<ReachSteps::Neighbour>> neighbours(samples.size());
  for (std::size_t q = 0; q < samples.size(); ++q) {
    const auto& [query, length, ordinals, scores] = samples[q];
    for (std::size_t i = 0; i < ordinals.size(); ++i) {
      const std::uint32_t cell = cell_of[ordinals[i]];
      neighbours[q].push_back({scores[i], products[q][cell], factors_[cell].step * length});
    }
  }
  steps_ = ReachSteps::measure(neighbours);
}

// Inner products with the centroids.
void VectorCells::centroid_products(const QueryCode& query, std::span<float> out) const {
  thread_local std::vector<std::int32_t> sums;
  sums.resize(size());
  best_vector_kernels().dot_nibble_rows(high_.data(), half_, size(), query.coarse.data(), half_, sums.data());
  const float offset = -7.5f * static_cast<float>(query.coarse_sum);
  for (std::size_t cell = 0; cell < size(); ++cell) {
    const float product = (static_cast<float>(sums[cell]) + offset) * query.coarse_step;
    out[cell] = query.base + factors_[cell].add + factors_[cell].scale * product;
  }
}

void VectorCells::reach(const QueryCode& query, float length, float steps, std::vector<float>& reaches) const {
  reaches.resize(size());
  centroid_products(query, reaches);
  for (std::size_t cell = 0; cell < size(); ++cell) {
    reaches[cell] += length * std::min(factors_[cell].radius, steps * factors_[cell].step);
  }
}

std::size_t VectorCells::bytes() const {
  return high_.bytes() + factors_.capacity() * sizeof(Factors) + begins_.capacity() * sizeof(std::uint32_t) +
         ordinals_.bytes();
}

void VectorCells::save(SnapshotWriter& writer, std::string_view prefix) const {
  const std::string name = std::string(prefix) + "cells.";
  writer.column(name + "high", high_.span());
  writer.column(name + "factors", std::span<const Factors>(factors_));
  writer.column(name + "begins", std::span<const std::uint32_t>(begins_));
  writer.column(name + "ordinals", ordinals_.span());
  writer.column(name + "steps", steps_.values());
}

Result<VectorCells> VectorCells::load(const SnapshotReader& reader, std::string_view prefix, std::size_t vectors,
                                      std::size_t half) {
  const std::string name = std::string(prefix) + "cells.";
  RAGTIME_TRY(const auto factors, reader.column<Factors>(name + "factors"));
  RAGTIME_TRY(const auto begins, reader.column<std::uint32_t>(name + "begins"));
  RAGTIME_TRY(const auto steps, reader.column<float>(name + "steps"));
  VectorCells cells;
  cells.half_ = half;
  RAGTIME_TRY(cells.high_, reader.keep<std::uint8_t>(name + "high", factors.size() * half));
  RAGTIME_TRY(cells.ordinals_, reader.keep<std::uint32_t>(name + "ordinals", factors.empty() ? 0 : vectors));
  const auto is_outside = [&](std::uint32_t ordinal) { return ordinal >= vectors; };
  const auto restored = ReachSteps::restore(steps);
  const bool are_begins_whole =
      factors.empty() ? begins.empty()
                      : begins.size() == factors.size() + 1 && begins.front() == 0 && begins.back() == vectors &&
                            std::is_sorted(begins.begin(), begins.end());
  if (!are_begins_whole || !restored ||
      std::any_of(cells.ordinals_.begin(), cells.ordinals_.end(), is_outside)) {
    return make_error(ErrorCode::corrupt, "The cells of the vector index are damaged.");
  }
  cells.factors_.assign(factors.begin(), factors.end());
  cells.begins_.assign(begins.begin(), begins.end());
  cells.steps_ = *restored;
  return cells;
}

}  // namespace ragtime::index
