#include "index/flat_segment.h"

#include <array>
#include <string>

#include "base/check.h"
#include "index/snapshot.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kRowsAtOnce = 256;
// A selection this much smaller than the segment is looked up rather than tested for.
constexpr std::size_t kListedBelow = 4;

}  // namespace

FlatSegment::FlatSegment(std::size_t dimensions, std::vector<ChunkId> ids, AlignedColumn<float> values)
    : VectorSegment(dimensions, std::move(ids)), values_(std::move(values)) {
  RAGTIME_CHECK(values_.size() == size() * dimensions);
}

std::shared_ptr<VectorSegment> FlatSegment::build(const VectorRows& rows, const SegmentOptions&) {
  const auto ids = rows.ids();
  AlignedColumn<float> values(ids.size() * rows.dimensions());
  rows.read(0, std::span(values.data(), values.size()));
  return std::make_shared<FlatSegment>(rows.dimensions(), std::vector<ChunkId>(ids.begin(), ids.end()),
                                       std::move(values));
}

Result<std::shared_ptr<VectorSegment>> FlatSegment::load(const SnapshotReader& reader, std::string_view prefix,
                                                         std::size_t dimensions, std::vector<ChunkId> ids) {
  RAGTIME_TRY(auto values, reader.keep<float>(std::string(prefix) + "values", ids.size() * dimensions));
  return std::make_shared<FlatSegment>(dimensions, std::move(ids), std::move(values));
}

void FlatSegment::search(const SegmentQuery& query, TopK& best) const {
  RAGTIME_CHECK(query.vector.size() == dimensions());
  const OrdinalFilter& filter = *query.filter;
  const VectorKernels& kernels = best_vector_kernels();
  if (filter.is_selective() && filter.matches_max() < size() / kListedBelow) {
    for (const std::uint32_t ordinal : filter.list()) {
      best.offer({ids()[ordinal], kernels.dot(query.vector.data(), row(ordinal), dimensions())});
    }
    return;
  }
  std::array<float, kRowsAtOnce> scores;
  for (std::size_t first = 0; first < size(); first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, size() - first);
    kernels.dot_rows(query.vector.data(), row(first), count, dimensions(), scores.data());
    for (std::size_t i = 0; i < count; ++i) {
      const Hit hit{ids()[first + i], scores[i]};
      if (best.would_keep(hit) && filter.allows(first + i)) best.offer(hit);
    }
  }
}

void FlatSegment::scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
                         std::span<float> out) const {
  RAGTIME_CHECK(query.size() == dimensions() && out.size() == ordinals.size());
  for (std::size_t i = 0; i < ordinals.size(); ++i) {
    out[i] = best_vector_kernels().dot(query.data(), row(ordinals[i]), dimensions());
  }
}

void FlatSegment::reconstruct(std::size_t ordinal, std::span<float> out) const {
  std::copy_n(row(ordinal), dimensions(), out.begin());
}

void FlatSegment::save(SnapshotWriter& writer, std::string_view prefix) const {
  writer.column(std::string(prefix) + "values", values_.span());
}

}  // namespace ragtime::index
