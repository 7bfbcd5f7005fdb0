#include "index/recent_vectors.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "index/aligned_column.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

// The first block is small for the sake of small stores; each doubles what there is, up to the most.
constexpr std::size_t kBlockRowsLeast = 16;
constexpr std::size_t kBlockRowsMost = 1024;
// A selection so much smaller is asked before the vectors are looked at.
constexpr std::size_t kAskedFirstBelow = 4;
constexpr std::size_t kCodedDimensionsLeast = 128;
constexpr float kDeviations = 4.0f;
constexpr std::uint64_t kSeed = 0x2545f4914f6cdd1d;
static_assert(kBlockRowsMost % kBitBlock == 0);

constexpr std::array<float, kBlockRowsMost> kNothingAdded{};

}  // namespace

struct RecentVectors::Block {
  Block(std::size_t capacity, std::size_t dimensions) : ids(capacity), values(capacity * dimensions) {}

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

  bool is_coded() const { return bits.size() > 0; }

  // Precondition: it is full, and no reader has been shown that.
  void encode(const CodeFrame& frame) {
    const std::size_t dimensions = values.size() / capacity();
    AlignedColumn<std::uint64_t> codes(capacity() * frame.words());
    scale = AlignedColumn<float>(capacity());
    error = AlignedColumn<float>(capacity());
    std::vector<float> rotated(frame.coordinates());
    std::vector<std::uint8_t> high(frame.half()), low(frame.half());
    for (std::size_t at = 0; at < capacity(); ++at) {
      frame.rotate({values.data() + at * dimensions, dimensions}, rotated);
      const CodeTerms terms = frame.encode_rotated(rotated, high.data(), low.data());
      scale[at] = terms.bit_scale;
      error[at] = terms.bit_error;
      std::uint64_t* block = codes.data() + at / kBitBlock * kBitBlock * frame.words() + at % kBitBlock;
      for (std::size_t i = 0; i < rotated.size(); ++i) {
        block[i / 64 * kBitBlock] |= std::uint64_t{rotated[i] >= 0 ? 1u : 0u} << i % 64;
      }
    }
    bits = std::move(codes);
  }

  AlignedColumn<ChunkId> ids;
  AlignedColumn<float> values;
  AlignedColumn<std::uint64_t> bits;  // As VectorKernels say, once full; and what bounds need.
  AlignedColumn<float> scale;
  AlignedColumn<float> error;
  std::vector<std::uint16_t> order;  // Positions by id, once full.
};

RecentVectors::RecentVectors(std::size_t dimensions) : dimensions_(dimensions) {
  if (dimensions < kCodedDimensionsLeast) return;
  frame_ = std::make_shared<const CodeFrame>(dimensions, kSeed, std::vector<float>(dimensions));
}

void RecentVectors::add_block() {
  const std::size_t capacity = std::clamp(rows_, kBlockRowsLeast, kBlockRowsMost);
  parts_.push_back({.block = std::make_shared<Block>(capacity, dimensions_), .first = rows_});
}

void RecentVectors::append(ChunkId id, std::span<const float> vector) {
  RAGTIME_CHECK(vector.size() == dimensions_);
  if (parts_.empty() || !parts_.back().block || parts_.back().rows == parts_.back().block->capacity()) add_block();
  Part& part = parts_.back();
  part.block->ids[part.rows] = id;
  std::copy(vector.begin(), vector.end(), part.block->values.data() + part.rows * dimensions_);
  part.id_least = part.rows == 0 ? id : std::min(part.id_least, id);
  part.id_most = part.rows == 0 ? id : std::max(part.id_most, id);
  ++part.rows;
  ++rows_;
  if (part.rows < part.block->capacity()) return;
  part.block->sort();
  if (frame_ && part.rows == kBlockRowsMost) part.block->encode(*frame_);
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

void RecentVectors::search(std::span<const float> query, const Selection* selection, TopK& best) const {
  const VectorKernels& kernels = best_vector_kernels();
  const bool ask_first = selection != nullptr && selection->size() < rows_ / kAskedFirstBelow;
  std::array<float, kBlockRowsMost> scores;
  std::optional<QueryCode> code;
  for (const Part& part : parts_) {
    if (!part.block) continue;
    if (!ask_first && part.rows == kBlockRowsMost && part.block->is_coded()) {
      if (!code) code = frame_->prepare(query);
      search_codes(*part.block, part.first, query, *code, selection, best);
      continue;
    }
    const float* values = part.block->values.data();
    if (!ask_first) kernels.dot_rows(query.data(), values, part.rows, dimensions_, scores.data());
    for (std::size_t at = 0; at < part.rows; ++at) {
      const ChunkId id = part.block->ids[at];
      if (ask_first && !selection->contains(id)) continue;
      if (ask_first) scores[at] = kernels.dot(query.data(), values + at * dimensions_, dimensions_);
      if (!best.would_keep({id, scores[at]}) || removed_.contains(part.first + at)) continue;
      if (ask_first || selection == nullptr || selection->contains(id)) best.offer({id, scores[at]});
    }
  }
}

void RecentVectors::search_codes(const Block& block, std::size_t first, std::span<const float> query,
                                 const QueryCode& code, const Selection* selection, TopK& best) const {
  const VectorKernels& kernels = best_vector_kernels();
  std::array<std::int32_t, kBlockRowsMost> distances;
  std::array<float, kBlockRowsMost> upper;
  std::array<std::uint32_t, kBlockRowsMost + 16> chances;
  kernels.bit_distances(block.bits.data(), kBlockRowsMost / kBitBlock, code.planes.data(), frame_->words(),
                        distances.data());
  const BoundTerms terms{code.base, code.bit_step * 15 * static_cast<float>(frame_->coordinates()), -2 * code.bit_step,
                         kDeviations * code.bit_deviation};
  kernels.upper_bounds(distances.data(), block.scale.data(), kNothingAdded.data(), block.error.data(), kBlockRowsMost,
                       terms, upper.data());
  const std::size_t found = kernels.collect(upper.data(), kBlockRowsMost, best.floor(), chances.data());
  for (std::size_t i = 0; i < found; ++i) {
    const std::size_t at = chances[i];
    if (upper[at] < best.floor() || removed_.contains(first + at)) continue;
    const ChunkId id = block.ids[at];
    if (selection != nullptr && !selection->contains(id)) continue;
    best.offer({id, kernels.dot(query.data(), block.values.data() + at * dimensions_, dimensions_)});
  }
}

std::size_t RecentVectors::bytes() const {
  std::size_t sum = removed_.bytes() + parts_.capacity() * sizeof(Part);
  for (const Part& part : parts_) {
    if (part.block) {
      const Block& block = *part.block;
      sum += block.ids.bytes() + block.values.bytes() + block.bits.bytes() + block.scale.bytes() + block.error.bytes();
    }
  }
  return sum;
}

}  // namespace ragtime::index
