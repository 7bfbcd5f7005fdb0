#include "index/recent_vectors.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "index/aligned_column.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

// The first block is small for the sake of small stores; each doubles what there is, up to the most.
constexpr std::size_t kBlockRowsLeast = 16;
constexpr std::size_t kBlockRowsMost = 1024;
// A selection so much smaller is asked before the vectors are looked at.
constexpr std::size_t kAskedFirstBelow = 8;
constexpr std::size_t kCodedDimensionsLeast = 128;
constexpr std::uint64_t kSeed = 0x2545f4914f6cdd1d;
static_assert(kBlockRowsLeast % BitScreen::kGroup == 0);
// So many are gathered before what they have in memory is looked at: their codes, and then the vectors themselves.
constexpr std::size_t kBoundedMost = 256;
constexpr std::size_t kComparedMost = 256;
constexpr std::size_t kLineFloats = 16;
constexpr std::size_t kNoBlock = ~std::size_t{0};

}  // namespace

struct RecentVectors::Block {
  Block(std::size_t capacity, std::size_t dimensions, const BitScreen* screen)
      : ids(capacity), values(capacity * dimensions) {
    if (screen != nullptr) codes = screen->make_codes(capacity);
  }

  std::size_t capacity() const { return ids.size(); }

  // Calls `visit` with each position of `id` among the first `rows`: several, if it was removed and added again. Only
  // full blocks have an order, so no reader of a part of a block looks at it while it is made.
  template <class Visit>
  void visit_positions(ChunkId id, std::size_t rows, const Visit& visit) const {
    if (rows < capacity()) {
      for (std::size_t at = 0; at < rows; ++at) {
        if (ids[at] == id) visit(at);
      }
      return;
    }
    auto at = std::lower_bound(order.begin(), order.end(), id,
                               [&](std::uint16_t position, ChunkId wanted) { return ids[position] < wanted; });
    for (; at != order.end() && ids[*at] == id; ++at) visit(std::size_t{*at});
  }

  void sort() {
    order.resize(capacity());
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::sort(order.begin(), order.end(), [&](std::uint16_t a, std::uint16_t b) { return ids[a] < ids[b]; });
  }

  AlignedColumn<ChunkId> ids;
  AlignedColumn<float> values;
  BitScreen::Codes codes;
  std::vector<std::uint16_t> order;  // Positions by id, once full.
};

RecentVectors::RecentVectors(std::size_t dimensions) : dimensions_(dimensions) {
  if (dimensions < kCodedDimensionsLeast) return;
  screen_ = std::make_shared<const BitScreen>(dimensions, kSeed);
}

void RecentVectors::add_block() {
  const std::size_t capacity = std::clamp(rows_, kBlockRowsLeast, kBlockRowsMost);
  parts_.push_back({.block = std::make_shared<Block>(capacity, dimensions_, screen_.get()), .first = rows_});
}

void RecentVectors::append(ChunkId id, std::span<const float> vector) {
  RAGTIME_CHECK(vector.size() == dimensions_);
  if (parts_.empty() || !parts_.back().block || parts_.back().rows == parts_.back().block->capacity()) add_block();
  Part& part = parts_.back();
  part.block->ids[part.rows] = id;
  std::copy(vector.begin(), vector.end(), part.block->values.data() + part.rows * dimensions_);
  if (screen_) spread_.widen(screen_->encode(vector, part.block->codes, part.rows));
  part.id_least = part.rows == 0 ? id : std::min(part.id_least, id);
  part.id_most = part.rows == 0 ? id : std::max(part.id_most, id);
  ++part.rows;
  ++rows_;
  if (part.rows == part.block->capacity()) part.block->sort();
}

void RecentVectors::remove(std::span<const std::size_t> rows) {
  for (const std::size_t row : rows) {
    if (removed_.contains(row)) continue;
    Part& part = parts_[static_cast<std::size_t>(&part_of(row) - parts_.data())];
    if (++part.removed == part.rows) part.block.reset();
  }
  removed_.add(rows);
}

const RecentVectors::Part& RecentVectors::part_of(std::size_t row) const {
  RAGTIME_CHECK(row < rows_);
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), row,
                                      [](std::size_t wanted, const Part& part) { return wanted < part.first; });
  return *std::prev(after);
}

ChunkId RecentVectors::id_of(std::size_t row) const {
  const Part& part = part_of(row);
  return part.block->ids[row - part.first];
}

std::optional<std::size_t> RecentVectors::row_of(ChunkId id) const {
  std::optional<std::size_t> found;
  for (const Part& part : parts_) {
    if (!part.block || id < part.id_least || id > part.id_most) continue;
    part.block->visit_positions(id, part.rows, [&](std::size_t at) {
      if (!removed_.contains(part.first + at)) found = part.first + at;
    });
  }
  return found;
}

std::span<const float> RecentVectors::vector(std::size_t row) const {
  const Part& part = part_of(row);
  return {part.block->values.data() + (row - part.first) * dimensions_, dimensions_};
}

float RecentVectors::score(std::span<const float> query, std::size_t row) const {
  return best_vector_kernels().dot(query.data(), vector(row).data(), dimensions_);
}

// One search: positions that pass the first step, their bounds, and scores of those with the best bounds first.
class RecentVectors::Scan {
 public:
  Scan(const RecentVectors& recent, std::span<const float> query, const Selection* selection, TopK& best)
      : recent_(recent), query_(query), selection_(selection), best_(best) {
    ask_first_ = selection != nullptr && selection->size() < recent.rows_ / kAskedFirstBelow;
    if (recent.screen_) code_ = recent.screen_->prepare(query, recent.spread_);
    places_.reserve(kBoundedMost + kBlockRowsMost);
    wholes_.reserve(kBoundedMost + kBlockRowsMost);
  }

  void look_at(const Part& part);
  void finish();

 private:
  struct Place {
    const Part* part;
    std::uint32_t at;
  };
  struct Chance {
    float bound;
    ChunkId id;
    const float* values;
  };

  std::size_t select(const Part& part, std::size_t rows);
  void compare_all(const Part& part, std::size_t first);
  void bound();
  void compare();
  bool may_return(const Part& part, std::size_t at) const {
    return !recent_.removed_.contains(part.first + at) &&
           (selection_ == nullptr || selection_->contains(part.block->ids[at]));
  }
  const float* values(const Part& part, std::size_t at) const {
    return part.block->values.data() + at * recent_.dimensions_;
  }
  void prefetch(const Chance& chance) const {
    for (std::size_t i = 0; i < query_.size(); i += kLineFloats) __builtin_prefetch(chance.values + i);
  }

  const RecentVectors& recent_;
  const std::span<const float> query_;
  const Selection* const selection_;
  TopK& best_;
  bool ask_first_ = false;
  std::optional<BitScreen::Query> code_;
  std::array<std::uint32_t, kBlockRowsMost + kWriteRoom> positions_;
  std::vector<Place> places_;
  std::vector<const std::uint8_t*> wholes_;  // Of the same.
  std::vector<float> bounds_;
  std::vector<Chance> chances_;
  std::size_t selected_block_ = kNoBlock;
  const std::uint64_t* selected_ = nullptr;
  Selection::Block selected_room_;
};

void RecentVectors::Scan::look_at(const Part& part) {
  const std::size_t coded = code_ ? part.rows / BitScreen::kGroup * BitScreen::kGroup : 0;
  const BitScreen::Codes& codes = part.block->codes;
  std::size_t found = 0;
  if (ask_first_) {
    found = select(part, coded);
  } else if (coded > 0) {
    found = recent_.screen_->screen(codes, coded, *code_, best_.floor(), positions_.data());
  }
  for (std::size_t i = 0; i < found; ++i) {
    places_.push_back({&part, positions_[i]});
    wholes_.push_back(recent_.screen_->whole(codes, positions_[i]));
    __builtin_prefetch(wholes_.back());
  }
  if (places_.size() >= kBoundedMost) bound();
  if (coded < part.rows) compare_all(part, coded);
}

// Positions of the selected among the first `rows`.
std::size_t RecentVectors::Scan::select(const Part& part, std::size_t rows) {
  std::size_t found = 0;
  for (std::size_t at = 0; at < rows; ++at) {
    const auto id = static_cast<std::uint64_t>(part.block->ids[at]);
    const std::size_t block = id / Selection::kBlockIds;
    positions_[found] = static_cast<std::uint32_t>(at);
    if (id >> 32 != 0) {
      found += selection_->contains(part.block->ids[at]) ? 1 : 0;
      continue;
    }
    if (block != selected_block_) selected_ = selection_->block(selected_block_ = block, selected_room_);
    const std::size_t bit = id % Selection::kBlockIds;
    found += selected_ != nullptr && (selected_[bit / 64] >> bit % 64 & 1) != 0 ? 1 : 0;
  }
  return found;
}

void RecentVectors::Scan::compare_all(const Part& part, std::size_t first) {
  std::array<float, kBlockRowsMost> scores;
  best_vector_kernels().dot_rows(query_.data(), values(part, first), part.rows - first, query_.size(), scores.data());
  for (std::size_t at = first; at < part.rows; ++at) {
    const Hit hit{part.block->ids[at], scores[at - first]};
    if (best_.would_keep(hit) && may_return(part, at)) best_.offer(hit);
  }
}

void RecentVectors::Scan::bound() {
  if (places_.empty()) return;
  bounds_.resize(places_.size());
  recent_.screen_->bound(wholes_, *code_, bounds_.data());
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const auto [part, at] = places_[i];
    if (bounds_[i] < best_.floor() || !may_return(*part, at)) continue;
    chances_.push_back({bounds_[i], part->block->ids[at], values(*part, at)});
    if (chances_.size() == kComparedMost) compare();
  }
  places_.clear();
  wholes_.clear();
}

// The best bounds first: their scores leave few of the others a chance.
void RecentVectors::Scan::compare() {
  const auto first = chances_.begin() + static_cast<std::ptrdiff_t>(std::min(best_.k(), chances_.size()));
  std::partial_sort(chances_.begin(), first, chances_.end(),
                    [](const Chance& a, const Chance& b) { return a.bound > b.bound; });
  for (std::size_t i = 0; i < chances_.size(); ++i) {
    if (i + 1 < chances_.size() && chances_[i + 1].bound >= best_.floor()) prefetch(chances_[i + 1]);
    const Chance& chance = chances_[i];
    if (chance.bound < best_.floor()) continue;
    best_.offer({chance.id, best_vector_kernels().dot(query_.data(), chance.values, query_.size())});
  }
  chances_.clear();
}

void RecentVectors::Scan::finish() {
  bound();
  compare();
}

void RecentVectors::search(std::span<const float> query, const Selection* selection, TopK& best) const {
  if (living() == 0) return;
  Scan scan(*this, query, selection, best);
  for (const Part& part : parts_) {
    if (part.block) scan.look_at(part);
  }
  scan.finish();
}

std::size_t RecentVectors::bytes() const {
  std::size_t sum = removed_.bytes() + parts_.capacity() * sizeof(Part);
  for (const Part& part : parts_) {
    if (part.block) {
      const Block& block = *part.block;
      sum += block.ids.bytes() + block.values.bytes() + block.codes.bytes();
    }
  }
  return sum;
}

}  // namespace ragtime::index
