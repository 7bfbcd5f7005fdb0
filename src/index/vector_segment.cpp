#include "index/vector_segment.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/check.h"
#include "index/flat_segment.h"
#include "index/hnsw_segment.h"
#include "index/list_segment.h"
#include "index/rabitq_segment.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

using Rabitq = RabitqSegment;

constexpr std::array kFactories{
    VectorSegmentFactory{VectorKind::flat, FlatSegment::build, FlatSegment::load},
    VectorSegmentFactory{VectorKind::rabitq, Rabitq::build<ScanBits::one>, Rabitq::load<ScanBits::one>},
    VectorSegmentFactory{VectorKind::rabitq4, Rabitq::build<ScanBits::four>, Rabitq::load<ScanBits::four>},
    VectorSegmentFactory{VectorKind::rabitq8, Rabitq::build<ScanBits::eight>, Rabitq::load<ScanBits::eight>},
    VectorSegmentFactory{VectorKind::hnsw, HnswSegment::build, HnswSegment::load},
    VectorSegmentFactory{VectorKind::ivf, ListSegment::build<VectorKind::ivf>, ListSegment::load<VectorKind::ivf>},
    VectorSegmentFactory{VectorKind::pq, ListSegment::build<VectorKind::pq>, ListSegment::load<VectorKind::pq>},
    VectorSegmentFactory{VectorKind::ivf_pq, ListSegment::build<VectorKind::ivf_pq>,
                         ListSegment::load<VectorKind::ivf_pq>},
};

constexpr double kCalibrationSlack = 1e-9;
// Of those that the target allows: the others are left to filters and to queries unlike the vectors.
constexpr double kMissesPlanned = 0.75;

// Fixed part of a saved segment.
struct SegmentHeader {
  std::uint64_t kind = 0;
  std::uint64_t dimensions = 0;
  std::uint64_t vectors = 0;
};

}  // namespace

MemoryRows::MemoryRows(std::size_t dimensions, std::span<const ChunkId> ids, std::span<const float> values)
    : dimensions_(dimensions), ids_(ids), values_(values) {
  RAGTIME_CHECK(values.size() == ids.size() * dimensions);
}

void MemoryRows::read(std::size_t first, std::span<float> out) const {
  RAGTIME_CHECK(first * dimensions_ + out.size() <= values_.size());
  std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(first * dimensions_), out.size(), out.begin());
}

VectorSegment::VectorSegment(std::size_t dimensions, std::vector<ChunkId> ids)
    : dimensions_(dimensions), ids_(std::move(ids)), id_words_(OrdinalFilter::words_of(ids_)) {}

std::size_t VectorSegment::ordinal_of(ChunkId id) const {
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
  return found == ids_.end() || *found != id ? ids_.size() : static_cast<std::size_t>(found - ids_.begin());
}

std::size_t VectorSegment::effort_for(double recall_target) const {
  const double wanted = 1 - kMissesPlanned * (1 - recall_target);
  for (const EffortPoint& point : profile_.efforts) {
    if (point.recall + kCalibrationSlack >= wanted) return point.effort;
  }
  return profile_.efforts.empty() ? effort_range().most : profile_.efforts.back().effort;
}

std::span<const VectorSegmentFactory> vector_segment_factories() {
  return kFactories;
}

const VectorSegmentFactory* vector_segment_factory(VectorKind kind) {
  const auto found = std::find_if(kFactories.begin(), kFactories.end(), [&](const auto& f) { return f.kind == kind; });
  return found == kFactories.end() ? nullptr : &*found;
}

void save_segment(SnapshotWriter& writer, std::string_view prefix, const VectorSegment& segment) {
  const std::string name(prefix);
  const SegmentHeader header{static_cast<std::uint64_t>(segment.kind()), segment.dimensions(), segment.size()};
  writer.column(name + "header", std::span<const SegmentHeader>(&header, 1));
  writer.column(name + "ids", segment.ids());
  writer.column(name + "efforts", std::span<const EffortPoint>(segment.profile().efforts));
  writer.column(name + "reason", std::span<const char>(segment.profile().reason));
  segment.save(writer, prefix);
}

Result<std::shared_ptr<VectorSegment>> load_segment(const SnapshotReader& reader, std::string_view prefix,
                                                    std::size_t dimensions) {
  const std::string name(prefix);
  RAGTIME_TRY(const auto header, reader.column<SegmentHeader>(name + "header"));
  RAGTIME_TRY(const auto ids, reader.column<ChunkId>(name + "ids"));
  RAGTIME_TRY(const auto efforts, reader.column<EffortPoint>(name + "efforts"));
  RAGTIME_TRY(const auto reason, reader.column<char>(name + "reason"));
  if (header.size() != 1) return make_error(ErrorCode::corrupt, "The vector index's header is damaged.");
  if (header[0].dimensions != dimensions) {
    return make_error(ErrorCode::conflict, "The saved vectors have " + std::to_string(header[0].dimensions) +
                                               " dimensions, not " + std::to_string(dimensions) + ".");
  }
  if (header[0].vectors != ids.size()) return make_error(ErrorCode::corrupt, "The vector index's ids are incomplete.");
  if (std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) != ids.end()) {
    return make_error(ErrorCode::corrupt, "The vector index's ids do not ascend.");
  }
  const auto* factory = vector_segment_factory(static_cast<VectorKind>(header[0].kind));
  if (factory == nullptr) return make_error(ErrorCode::unsupported, "The saved index is of an unknown kind.");
  RAGTIME_TRY(auto segment, factory->load(reader, prefix, dimensions, std::vector<ChunkId>(ids.begin(), ids.end())));
  segment->set_profile({std::vector<EffortPoint>(efforts.begin(), efforts.end()), {reason.begin(), reason.end()}});
  return segment;
}

}  // namespace ragtime::index
