#include <cmath>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "edited_columns.h"
#include "index/vector_segment.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

using index::ChunkId;

constexpr std::size_t kDimensions = 24;
constexpr std::size_t kVectors = 400;

std::vector<float> unit_vectors() {
  std::mt19937 random(1);
  std::vector<float> values(kVectors * kDimensions);
  for (std::size_t row = 0; row < kVectors; ++row) {
    const auto vector = std::span(values).subspan(row * kDimensions, kDimensions);
    double norm2 = 0;
    for (float& value : vector) {
      value = static_cast<float>(random() % 2000) / 1000 - 1;
      norm2 += static_cast<double>(value) * value;
    }
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(norm2));
  }
  return values;
}

// One sound segment of each kind.
std::vector<EditedColumns> save_all() {
  std::vector<ChunkId> ids(kVectors);
  std::iota(ids.begin(), ids.end(), ChunkId{1});
  const auto values = unit_vectors();
  const index::MemoryRows rows(kDimensions, ids, values);
  std::vector<EditedColumns> saved;
  for (const auto& factory : index::vector_segment_factories()) {
    index::save_segment(saved.emplace_back(), "v.", *factory.build(rows, {.seed = 1}));
  }
  return saved;
}

void use(const index::VectorSegment& segment) {
  const std::vector<float> query(kDimensions, 0.2f);
  index::Selection selection;
  for (std::size_t i = 0; i < segment.size(); i += 3) {
    if (segment.ids()[i] >= 0) selection.add(segment.ids()[i]);
  }
  for (const index::Selection* selected : {static_cast<const index::Selection*>(nullptr), &std::as_const(selection)}) {
    const index::OrdinalFilter filter(segment.ids(), nullptr, selected);
    for (const std::size_t effort : {segment.effort_range().least, segment.effort_for(0.9)}) {
      index::TopK best(5);
      segment.search({query, effort, &filter}, best);
    }
  }
  std::vector<std::uint32_t> ordinals(segment.size());
  std::iota(ordinals.begin(), ordinals.end(), 0U);
  std::vector<float> scores(segment.size());
  segment.scores(query, ordinals, scores);
  std::vector<float> vector(kDimensions);
  for (std::size_t i = 0; i < segment.size(); i += 7) segment.reconstruct(i, vector);
}

}  // namespace

int vector_segment(const std::uint8_t* data, std::size_t size) {
  static const std::vector<EditedColumns> saved = save_all();
  if (size == 0) return 0;
  EditedColumns columns = saved[data[0] % saved.size()];
  columns.edit(std::span(data, size).subspan(1));
  const auto segment = index::load_segment(columns, "v.", kDimensions);
  if (segment) use(**segment);
  return 0;
}

}  // namespace ragtime::fuzz

RAGTIME_FUZZ_ENTRY(vector_segment);
