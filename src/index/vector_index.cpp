#include "index/vector_index.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "index/calibration.h"
#include "index/kind_choice.h"
#include "index/snapshot.h"
#include "index/vector_segment.h"
#include "index/vector_view.h"

namespace ragtime::index {
namespace {

using KindName = std::pair<VectorKind, std::string_view>;
constexpr std::array kKindNames{
    KindName{VectorKind::flat, "flat"},       KindName{VectorKind::rabitq, "rabitq"},
    KindName{VectorKind::rabitq4, "rabitq4"}, KindName{VectorKind::rabitq8, "rabitq8"},
    KindName{VectorKind::hnsw, "hnsw"},       KindName{VectorKind::ivf, "ivf"},
    KindName{VectorKind::pq, "pq"},           KindName{VectorKind::ivf_pq, "ivf_pq"},
};

// Additions are scanned by 1-bit codes: so many cost little beside the base, and more are worth a merge.
constexpr std::size_t kRecentLeast = 4'096;
constexpr std::size_t kRecentMost = 65'536;
constexpr std::size_t kRemovedLeast = 256;
constexpr std::size_t kShareOfBase = 10;  // One tenth of it.

constexpr std::string_view kColumnPrefix = "vector.";
constexpr std::string_view kRecentIds = "recent.ids";

std::string rows_name(std::size_t number) {
  return "recent.rows." + std::to_string(number);
}

}  // namespace

std::string_view vector_kind_name(VectorKind kind) {
  for (const auto& [known, name] : kKindNames) {
    if (known == kind) return name;
  }
  return "unknown";
}

Result<std::optional<VectorKind>> parse_vector_kind(std::string_view name) {
  if (name == "auto") return std::optional<VectorKind>();
  std::string names = "auto";
  for (const auto& [kind, known] : kKindNames) {
    if (vector_segment_factory(kind) == nullptr) continue;
    if (known == name) return std::optional(kind);
    names.append(", ").append(known);
  }
  return make_error(ErrorCode::invalid_argument,
                    "\"" + std::string(name) + "\" is no kind of vector index; there are " + names + ".");
}

struct VectorIndex::State {
  // What a merge was made from, to tell what changed since.
  struct Merge {
    std::weak_ptr<const VectorSegment> result;
    VectorParts from;
  };

  State(std::size_t dimensions_in, VectorIndexOptions options_in)
      : dimensions(dimensions_in), options(options_in), parts{.recent = RecentVectors(dimensions_in)} {
    publish();
  }

  void publish() {
    auto next = std::make_shared<const VectorPartsView>(dimensions, options.recall_target, parts);
    const std::lock_guard lock(mutex);
    view.swap(next);
  }

  void remember(const std::shared_ptr<const VectorSegment>& result, const VectorParts& from) {
    const std::lock_guard lock(mutex);
    std::erase_if(merges, [](const Merge& merge) { return merge.result.expired(); });
    merges.push_back({result, from});
  }

  std::optional<VectorParts> forget(const std::shared_ptr<const VectorSegment>& result) {
    const std::lock_guard lock(mutex);
    const auto found =
        std::find_if(merges.begin(), merges.end(), [&](const Merge& merge) { return merge.result.lock() == result; });
    if (found == merges.end()) return std::nullopt;
    VectorParts from = std::move(found->from);
    merges.erase(found);
    return from;
  }

  void remove(std::span<const ChunkId> ids);

  const std::size_t dimensions;
  const VectorIndexOptions options;
  VectorParts parts;  // The writer's own.
  std::mutex mutex;   // Of what follows.
  std::shared_ptr<const VectorPartsView> view;
  std::vector<Merge> merges;
};

void VectorIndex::State::remove(std::span<const ChunkId> ids) {
  std::vector<std::size_t> ordinals;
  std::vector<std::size_t> rows;
  for (const ChunkId id : ids) {
    if (const auto ordinal = parts.base_ordinal(id)) {
      ordinals.push_back(*ordinal);
    } else if (const auto row = parts.recent.row_of(id)) {
      rows.push_back(*row);
    }
  }
  std::sort(ordinals.begin(), ordinals.end());
  std::sort(rows.begin(), rows.end());
  parts.base_removed.add(ordinals);
  parts.recent.remove(rows);
}

VectorIndex::VectorIndex(std::size_t dimensions, VectorIndexOptions options) {
  RAGTIME_CHECK(dimensions > 0);
  RAGTIME_CHECK(!options.kind || vector_segment_factory(*options.kind) != nullptr);
  state_ = std::make_unique<State>(dimensions, options);
}
VectorIndex::~VectorIndex() = default;
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;

void VectorIndex::apply(std::span<const ChunkId> removed, std::span<const Addition> added) {
  state_->remove(removed);
  for (const Addition& addition : added) {
    RAGTIME_CHECK(!state_->parts.base_ordinal(addition.id) && !state_->parts.recent.row_of(addition.id));
    state_->parts.recent.append(addition.id, addition.vector);
  }
  state_->publish();
}

std::shared_ptr<const VectorView> VectorIndex::view() const {
  const std::lock_guard lock(state_->mutex);
  return state_->view;
}

bool VectorIndex::merge_due() const {
  const VectorParts& parts = state_->parts;
  const std::size_t share = parts.base_size() / kShareOfBase;
  if (parts.recent.rows() > std::clamp(share, kRecentLeast, kRecentMost)) return true;
  if (parts.base_removed.size() > std::max(share, kRemovedLeast)) return true;
  if (!parts.base || parts.living() == 0) return parts.base_size() > 0;
  const VectorKind current = parts.base->kind();
  return choose_kind(parts.living(), state_->dimensions, state_->options, current).kind != current;
}

std::shared_ptr<const VectorSegment> VectorIndex::merge(const VectorView& view, std::stop_token stop) const {
  const auto* own = dynamic_cast<const VectorPartsView*>(&view);
  RAGTIME_CHECK(own != nullptr && own->dimensions() == state_->dimensions);
  const VectorParts& from = own->parts();
  const auto current = from.base ? std::optional(from.base->kind()) : std::nullopt;
  KindChoice choice = choose_kind(from.living(), state_->dimensions, state_->options, current);
  const LivingRows rows(state_->dimensions, from);
  const SegmentOptions options{
      .seed = state_->options.seed, .previous = from.base.get(), .files = state_->options.files, .stop = std::move(stop)};
  auto segment = vector_segment_factory(choice.kind)->build(rows, options);
  if (segment == nullptr) return nullptr;
  segment->set_profile({.efforts = calibrate(*segment, rows, options.seed), .reason = std::move(choice.reason)});
  segment->release_file_pages();
  state_->remember(segment, from);
  return segment;
}

void VectorIndex::adopt(std::shared_ptr<const VectorSegment> base) {
  const auto from = state_->forget(base);
  RAGTIME_CHECK(from.has_value());
  VectorParts& parts = state_->parts;
  if (from->base != parts.base) return;
  std::vector<std::size_t> removed;
  const auto remove_again = [&](ChunkId id) { removed.push_back(base->ordinal_of(id)); };
  parts.base_removed.for_each_since(from->base_removed,
                                    [&](std::size_t ordinal) { remove_again(parts.base->ids()[ordinal]); });
  parts.recent.removed_rows().for_each_since(from->recent.removed_rows(), [&](std::size_t row) {
    if (row < from->recent.rows()) remove_again(from->recent.id_of(row));
  });
  std::sort(removed.begin(), removed.end());
  VectorParts next{.base = std::move(base), .recent = RecentVectors(state_->dimensions)};
  next.base_removed.add(removed);
  for (std::size_t row = from->recent.rows(); row < parts.recent.rows(); ++row) {
    if (!parts.recent.is_removed(row)) next.recent.append(parts.recent.id_of(row), parts.recent.vector(row));
  }
  parts = std::move(next);
  state_->publish();
}

void VectorIndex::save(SnapshotWriter& writer) const {
  save_base(writer, state_->parts.base.get());
}

void VectorIndex::save_base(SnapshotWriter& writer, const VectorSegment* base) {
  const std::uint64_t segments = base != nullptr ? 1 : 0;
  writer.column(std::string(kColumnPrefix) + "segments", std::span<const std::uint64_t>(&segments, 1));
  if (base != nullptr) save_segment(writer, kColumnPrefix, *base);
}

Result<VectorIndex> VectorIndex::load(const SnapshotReader& reader, std::size_t dimensions,
                                      VectorIndexOptions options) {
  RAGTIME_TRY(const auto segments, reader.column<std::uint64_t>(std::string(kColumnPrefix) + "segments"));
  if (segments.size() != 1 || segments[0] > 1) {
    return make_error(ErrorCode::corrupt, "The vector index's number of segments is damaged.");
  }
  VectorIndex index(dimensions, options);
  if (segments[0] == 0) return index;
  RAGTIME_TRY(index.state_->parts.base, load_segment(reader, kColumnPrefix, dimensions));
  index.state_->publish();
  return index;
}

std::span<const ChunkId> VectorIndex::base_ids() const {
  const auto& base = state_->parts.base;
  return base ? base->ids() : std::span<const ChunkId>();
}

void VectorIndex::save_recent(SnapshotWriter& writer, const VectorView& view) {
  const RecentVectors& recent = dynamic_cast<const VectorPartsView&>(view).parts().recent;
  std::vector<std::pair<ChunkId, std::size_t>> living;
  for (std::size_t row = 0; row < recent.rows(); ++row) {
    if (!recent.is_removed(row)) living.emplace_back(recent.id_of(row), row);
  }
  std::sort(living.begin(), living.end());
  std::vector<ChunkId> ids;
  for (const auto& [id, row] : living) ids.push_back(id);
  writer.column(std::string(kRecentIds), std::span<const ChunkId>(ids));
  std::vector<float> values;
  for (std::size_t i = 0; i < living.size(); ++i) {
    const auto vector = recent.vector(living[i].second);
    values.insert(values.end(), vector.begin(), vector.end());
    if (i + 1 < living.size() && (i + 1) % SavedVectors::kRows != 0) continue;
    writer.column(rows_name(i / SavedVectors::kRows), std::span<const float>(values));
    values.clear();
  }
}

Result<SavedVectors> VectorIndex::load_recent(const SnapshotReader& reader, std::size_t dimensions) {
  RAGTIME_TRY(const auto ids, reader.column<ChunkId>(std::string(kRecentIds)));
  const auto is_wrong = [](ChunkId before, ChunkId id) { return before >= id; };
  if (std::adjacent_find(ids.begin(), ids.end(), is_wrong) != ids.end()) {
    return make_error(ErrorCode::corrupt, "The recent vectors' ids are out of order.");
  }
  SavedVectors saved;
  saved.ids.assign(ids.begin(), ids.end());
  for (std::size_t first = 0; first < ids.size(); first += SavedVectors::kRows) {
    const std::size_t count = std::min(SavedVectors::kRows, ids.size() - first);
    RAGTIME_TRY(auto rows, reader.keep<float>(rows_name(first / SavedVectors::kRows), count * dimensions));
    saved.rows.push_back(std::move(rows));
  }
  return saved;
}

std::size_t VectorIndex::dimensions() const {
  return state_->dimensions;
}

}  // namespace ragtime::index
