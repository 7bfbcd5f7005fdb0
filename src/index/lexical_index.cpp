#include "index/lexical_index.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "index/lexical_parts.h"
#include "index/lexical_view.h"

namespace ragtime::index {
namespace {

// Recent segments grow together up to this many chunks, which bounds the time of one change.
constexpr std::size_t kRecentSegmentMax = 16'384;
// Parts that were made at a start stay as they are up to this number: joining costs as much as making them.
constexpr std::size_t kPartsMax = 16;
constexpr std::size_t kMergeChangesMin = 4'096;
// A merge is due when one in so many chunks has changed.
constexpr std::size_t kMergeShare = 4;

}  // namespace

struct LexicalIndex::State {
  explicit State(LexicalOptions given) : options(given) { publish(); }

  std::optional<std::pair<std::size_t, Ordinal>> find(ChunkId id) const;
  void remove_from(std::size_t part, Ordinal chunk);
  void add(std::span<const Addition> added);
  void join_recent();
  void drop_empty();
  void drop_merged(std::uint64_t merged);
  std::vector<bool> unchanged(const LexicalSegment& base) const;
  void set_base(std::shared_ptr<const LexicalSegment> base, const std::vector<bool>& is_living);
  std::shared_ptr<const LexicalSegment> with_options(std::shared_ptr<const LexicalSegment> segment) const;
  void publish();

  std::size_t first_recent() const { return has_base ? 1 : 0; }

  LexicalOptions options;
  // The writer's; what is in the published view is never changed, but replaced.
  std::vector<LexicalPart> parts;                       // The base first.
  std::vector<std::shared_ptr<LexicalRemovals>> fresh;  // By part: the copy that this change works on.
  bool has_base = false;
  std::uint64_t sequence = 0;
  std::uint64_t base_sequence = 0;

  mutable std::mutex mutex;  // Guards `published`.
  std::shared_ptr<const PartsView> published;
};

// Where the living chunk is.
std::optional<std::pair<std::size_t, Ordinal>> LexicalIndex::State::find(ChunkId id) const {
  for (std::size_t p = parts.size(); p-- > 0;) {
    const auto chunk = parts[p].segment->find(id);
    if (chunk && !parts[p].is_removed(*chunk)) return std::pair(p, *chunk);
  }
  return std::nullopt;
}

void LexicalIndex::State::remove_from(std::size_t part, Ordinal chunk) {
  fresh.resize(parts.size());
  if (fresh[part] == nullptr) {
    const auto& old = parts[part].removals;
    fresh[part] = old == nullptr ? std::make_shared<LexicalRemovals>() : std::make_shared<LexicalRemovals>(*old);
    parts[part].removals = fresh[part];
  }
  fresh[part]->remove(*parts[part].segment, chunk);
}

void LexicalIndex::State::add(std::span<const Addition> added) {
  if (added.empty()) return;
  for (const Addition& addition : added) RAGTIME_CHECK(!find(addition.id));
  parts.push_back({segment_of(added, options, sequence), nullptr});
}

void LexicalIndex::State::drop_empty() {
  const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(first_recent());
  parts.erase(std::remove_if(begin, parts.end(), [](const LexicalPart& part) { return part.living() == 0; }),
              parts.end());
}

// Removes the recent chunks that a base of this sequence has.
void LexicalIndex::State::drop_merged(std::uint64_t merged) {
  const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(first_recent());
  const auto is_merged = [&](const LexicalPart& part) { return part.segment->sequence() <= merged; };
  parts.erase(std::remove_if(begin, parts.end(), is_merged), parts.end());
  for (std::size_t p = first_recent(); p < parts.size(); ++p) {
    const auto segment = parts[p].segment;
    for (Ordinal chunk = 0; chunk < segment->size(); ++chunk) {
      if (segment->sequence_of(chunk) <= merged && !parts[p].is_removed(chunk)) remove_from(p, chunk);
    }
  }
  fresh.clear();
  drop_empty();
}

// Joins the youngest segments while they are of about the same size, so that there are few.
void LexicalIndex::State::join_recent() {
  while (parts.size() >= first_recent() + 2) {
    const auto last_two = std::span(parts).last(2);
    const std::size_t together = last_two[0].living() + last_two[1].living();
    if (last_two[0].living() > 2 * last_two[1].living() || together > kRecentSegmentMax) return;
    LexicalPart joined{merge_parts(last_two, options, sequence, true), nullptr};
    parts.resize(parts.size() - 2);
    parts.push_back(std::move(joined));
  }
}

// The chunks of a new base that have not changed since its view: their id has neither gone nor come back later.
std::vector<bool> LexicalIndex::State::unchanged(const LexicalSegment& base) const {
  std::vector<bool> unchanged(base.size(), false);
  for (const LexicalPart& part : parts) {
    auto at = base.ids().begin();
    for (Ordinal chunk = 0; chunk < part.segment->size() && at != base.ids().end(); ++chunk) {
      if (part.is_removed(chunk) || part.segment->sequence_of(chunk) > base.sequence()) continue;
      const ChunkId id = part.segment->ids()[chunk];
      if (*at < id) at = std::lower_bound(at + 1, base.ids().end(), id);
      if (at != base.ids().end() && *at == id) unchanged[static_cast<std::size_t>(at++ - base.ids().begin())] = true;
    }
  }
  return unchanged;
}

// Puts it in front, without the chunks that have changed since.
void LexicalIndex::State::set_base(std::shared_ptr<const LexicalSegment> base, const std::vector<bool>& is_living) {
  std::shared_ptr<LexicalRemovals> removals;
  for (Ordinal chunk = 0; chunk < base->size(); ++chunk) {
    if (is_living[chunk]) continue;
    if (removals == nullptr) removals = std::make_shared<LexicalRemovals>();
    removals->remove(*base, chunk);
  }
  base_sequence = base->sequence();
  if (!has_base) parts.insert(parts.begin(), LexicalPart{});
  parts[0] = {std::move(base), std::move(removals)};
  has_base = true;
}

std::shared_ptr<const LexicalSegment> LexicalIndex::State::with_options(
    std::shared_ptr<const LexicalSegment> segment) const {
  if (segment->options() == options) return segment;
  return std::make_shared<const LexicalSegment>(*segment, options);
}

void LexicalIndex::State::publish() {
  fresh.clear();
  auto view = std::make_shared<const PartsView>(options, parts, sequence, has_base);
  const std::lock_guard lock(mutex);
  published.swap(view);
}

LexicalIndex::LexicalIndex(LexicalOptions options) : state_(std::make_unique<State>(options)) {}
LexicalIndex::~LexicalIndex() = default;
LexicalIndex::LexicalIndex(LexicalIndex&&) noexcept = default;
LexicalIndex& LexicalIndex::operator=(LexicalIndex&&) noexcept = default;

void LexicalIndex::apply(std::span<const ChunkId> removed, std::span<const Addition> added) {
  ++state_->sequence;
  for (const ChunkId id : removed) {
    if (const auto found = state_->find(id)) state_->remove_from(found->first, found->second);
  }
  state_->fresh.clear();
  state_->drop_empty();
  state_->add(added);
  state_->join_recent();
  state_->publish();
}

std::shared_ptr<const LexicalSegment> LexicalIndex::segment(std::span<const Addition> added,
                                                            const LexicalOptions& options) {
  return segment_of(added, options, 0);
}

void LexicalIndex::add(std::shared_ptr<const LexicalSegment> added) {
  std::shared_ptr<LexicalRemovals> known;
  for (Ordinal chunk = 0; chunk < added->size(); ++chunk) {
    if (!state_->find(added->ids()[chunk])) continue;
    if (known == nullptr) known = std::make_shared<LexicalRemovals>();
    known->remove(*added, chunk);
  }
  LexicalPart part{state_->with_options(std::move(added)), std::move(known)};
  if (part.living() == 0) return;
  state_->parts.push_back(std::move(part));
  if (state_->parts.size() > kPartsMax) state_->join_recent();
  state_->publish();
}

std::shared_ptr<const LexicalView> LexicalIndex::view() const {
  const std::lock_guard lock(state_->mutex);
  return state_->published;
}

void LexicalIndex::set_options(const LexicalOptions& options) {
  state_->options = options;
  for (LexicalPart& part : state_->parts) part.segment = state_->with_options(std::move(part.segment));
  state_->publish();
}

bool LexicalIndex::merge_due() const {
  const LexicalIndexReport report = view()->report();
  return report.recent + report.removed > std::max(kMergeChangesMin, report.chunks / kMergeShare);
}

std::shared_ptr<const LexicalSegment> LexicalIndex::merge(const LexicalView& view) const {
  const auto& parts_view = dynamic_cast<const PartsView&>(view);
  const auto& parts = parts_view.parts();
  const bool is_one_clean = parts.size() == 1 && parts[0].removed() == 0;
  if (is_one_clean && parts[0].segment->sequence() == parts_view.sequence()) return parts[0].segment;
  return merge_parts(parts, parts_view.options(), parts_view.sequence(), false);
}

void LexicalIndex::adopt(std::shared_ptr<const LexicalSegment> base) {
  State& state = *state_;
  if (state.has_base && base->sequence() < state.base_sequence) return;  // A later merge was faster.
  const auto unchanged = state.unchanged(*base);
  state.drop_merged(base->sequence());
  state.set_base(state.with_options(std::move(base)), unchanged);
  state.join_recent();
  state.publish();
}

void LexicalIndex::save(SnapshotWriter& writer) const {
  if (state_->has_base) return state_->parts[0].segment->save(writer);
  merge_parts({}, state_->options, 0, false)->save(writer);
}

void LexicalIndex::save_base(SnapshotWriter& writer, const LexicalSegment& base) {
  base.save(writer);
}

Result<LexicalIndex> LexicalIndex::load(const SnapshotReader& reader, LexicalOptions options) {
  RAGTIME_TRY(auto segment, LexicalSegment::load(reader, options));
  LexicalIndex index(options);
  const std::vector<bool> all(segment->size(), true);
  index.state_->set_base(std::move(segment), all);
  index.state_->publish();
  return index;
}

std::shared_ptr<const LexicalSegment> LexicalIndex::recent(const LexicalView& view) {
  const auto& parts_view = dynamic_cast<const PartsView&>(view);
  const auto recent = std::span(parts_view.parts()).subspan(parts_view.has_base() ? 1 : 0);
  if (recent.empty()) return nullptr;
  return merge_parts(recent, parts_view.options(), 0, false);
}

Result<std::shared_ptr<const LexicalSegment>> LexicalIndex::load_segment(const SnapshotReader& reader,
                                                                         const LexicalOptions& options) {
  return LexicalSegment::load(reader, options);
}

std::span<const ChunkId> LexicalIndex::base_ids() const {
  if (!state_->has_base) return {};
  return state_->parts[0].segment->ids();
}

}  // namespace ragtime::index
