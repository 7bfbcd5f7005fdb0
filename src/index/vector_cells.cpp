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

}  // namespace

VectorCells VectorCells::build(const VectorRows& rows, const CodeFrame& frame, std::uint64_t seed) {
  VectorCells cells;
  const std::size_t count = rows.ids().size();
  if (count < kVectorsLeast) return cells;
  const auto wanted = static_cast<std::size_t>(kCellsOfRoot * std::sqrt(static_cast<double>(count)));
  const std::size_t dimensions = rows.dimensions();
  auto sample = sample_rows(rows, wanted * kTrainedPerCell, seed);
  const auto centroids = kmeans(sample, dimensions, {wanted, kIterations, seed});
  const CentroidTable table(dimensions, centroids);
  std::vector<std::uint32_t> numbers(count);
  std::vector<float> distances2(count);
  for_row_blocks(rows, kRowsAtOnce, [&](std::size_t first, std::span<const float> values) {
    const std::size_t taken = values.size() / dimensions;
    table.nearest(values, std::span(numbers).subspan(first, taken), std::span(distances2).subspan(first, taken));
  });
  cells.half_ = frame.half();
  cells.high_ = AlignedColumn<std::uint8_t>(table.size() * frame.half());
  std::vector<std::uint8_t> low(frame.half());
  std::vector<float> rotated(frame.coordinates());
  for (std::size_t cell = 0; cell < table.size(); ++cell) {
    const auto centroid = std::span(centroids).subspan(cell * dimensions, dimensions);
    const CodeTerms terms = frame.encode(centroid, rotated, cells.high_.data() + cell * frame.half(), low.data());
    cells.factors_.push_back({.add = terms.add, .scale = terms.coarse_scale});
  }
  cells.measure(numbers, distances2, dimensions);
  cells.place(numbers);
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
  std::vector<std::uint32_t> cell_of(ordinals_.size());
  for (std::uint32_t cell = 0; cell < size(); ++cell) {
    for (const std::uint32_t ordinal : of(cell)) cell_of[ordinal] = cell;
  }
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
