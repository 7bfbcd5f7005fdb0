#include "index/vector_view.h"

#include <algorithm>

#include "base/check.h"

namespace ragtime::index {

std::optional<std::size_t> VectorParts::base_ordinal(ChunkId id) const {
  if (!base) return std::nullopt;
  const std::size_t ordinal = base->ordinal_of(id);
  if (ordinal == base->size() || base_removed.contains(ordinal)) return std::nullopt;
  return ordinal;
}

VectorPartsView::VectorPartsView(std::size_t dimensions, double recall_target, VectorParts parts)
    : dimensions_(dimensions), recall_target_(recall_target), parts_(std::move(parts)) {}

std::vector<Hit> VectorPartsView::search(const VectorQuery& query) const {
  RAGTIME_CHECK(query.vector.size() == dimensions_);
  TopK best(std::min(query.k, size()));
  // The larger part first: what it scores spares looking at much of the other.
  const bool base_first = parts_.base_living() > parts_.recent.living();
  if (base_first) search_base(query, best);
  parts_.recent.search(query.vector, query.selection, best);
  if (!base_first) search_base(query, best);
  return std::move(best).take_sorted();
}

void VectorPartsView::search_base(const VectorQuery& query, TopK& best) const {
  if (parts_.base_living() == 0) return;
  const OrdinalFilter filter(parts_.base->ids(), &parts_.base_removed, query.selection, parts_.base->id_words());
  const double target = query.recall_target.value_or(recall_target_);
  const std::size_t effort = parts_.base->effort_for(target);
  parts_.base->search({.vector = query.vector, .effort = effort, .filter = &filter, .recall_target = target}, best);
}

std::vector<std::optional<float>> VectorPartsView::scores(std::span<const float> query,
                                                          std::span<const ChunkId> ids) const {
  RAGTIME_CHECK(query.size() == dimensions_);
  std::vector<std::optional<float>> result(ids.size());
  std::vector<std::uint32_t> ordinals;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto ordinal = parts_.base_ordinal(ids[i])) {
      ordinals.push_back(static_cast<std::uint32_t>(*ordinal));
      positions.push_back(i);
    } else if (const auto row = parts_.recent.row_of(ids[i])) {
      result[i] = parts_.recent.score(query, *row);
    }
  }
  if (ordinals.empty()) return result;
  std::vector<float> base_scores(ordinals.size());
  parts_.base->scores(query, ordinals, base_scores);
  for (std::size_t i = 0; i < positions.size(); ++i) result[positions[i]] = base_scores[i];
  return result;
}

bool VectorPartsView::contains(ChunkId id) const {
  return parts_.base_ordinal(id).has_value() || parts_.recent.row_of(id).has_value();
}

VectorIndexReport VectorPartsView::report() const {
  VectorIndexReport report;
  report.vectors = size();
  report.recent = parts_.recent.living();
  report.removed = parts_.base_removed.size() + parts_.recent.removed();
  report.bytes = parts_.base_removed.bytes() + parts_.recent.bytes();
  if (!parts_.base) {
    report.reason = "All vectors are compared exactly until there are enough for a first merge.";
    return report;
  }
  const SegmentProfile& profile = parts_.base->profile();
  report.kind = parts_.base->kind();
  report.reason = profile.reason;
  report.bytes += parts_.base->bytes();
  report.file_bytes = parts_.base->file_bytes();
  const std::size_t effort = parts_.base->effort_for(recall_target_);
  for (const EffortPoint& point : profile.efforts) {
    if (point.effort <= effort) report.recall = point.recall;
  }
  return report;
}

LivingRows::LivingRows(std::size_t dimensions, const VectorParts& parts) : dimensions_(dimensions), parts_(parts) {
  std::vector<std::pair<ChunkId, std::uint32_t>> recent;
  recent.reserve(parts.recent.living());
  for (std::size_t row = 0; row < parts.recent.rows(); ++row) {
    if (!parts.recent.is_removed(row)) recent.emplace_back(parts.recent.id_of(row), static_cast<std::uint32_t>(row));
  }
  std::sort(recent.begin(), recent.end());
  ids_.reserve(parts.living());
  sources_.reserve(parts.living());
  auto next = recent.begin();
  const auto take_recent_below = [&](ChunkId id) {
    for (; next != recent.end() && next->first < id; ++next) {
      ids_.push_back(next->first);
      sources_.push_back({next->second, true});
    }
  };
  for (std::size_t ordinal = 0; ordinal < parts.base_size(); ++ordinal) {
    if (parts.base_removed.contains(ordinal)) continue;
    const ChunkId id = parts.base->ids()[ordinal];
    take_recent_below(id);
    ids_.push_back(id);
    sources_.push_back({static_cast<std::uint32_t>(ordinal), false});
  }
  for (; next != recent.end(); ++next) {
    ids_.push_back(next->first);
    sources_.push_back({next->second, true});
  }
}

void LivingRows::read(std::size_t first, std::span<float> out) const {
  for (std::size_t i = 0; i * dimensions_ < out.size(); ++i) {
    const Source source = sources_[first + i];
    const auto row = out.subspan(i * dimensions_, dimensions_);
    if (source.is_recent) {
      const auto vector = parts_.recent.vector(source.position);
      std::copy(vector.begin(), vector.end(), row.begin());
    } else {
      parts_.base->reconstruct(source.position, row);
    }
  }
}

}  // namespace ragtime::index
