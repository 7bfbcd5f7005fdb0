#include "index/hnsw_scan.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace ragtime::index {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kLikelyMost = 64;
constexpr float kDone = -std::numeric_limits<float>::infinity();

}  // namespace

HnswScan::HnswScan(const HnswNodes& nodes, std::span<const ChunkId> ids, const QueryCode& query, float deviations,
                   TopK& best, Workspace& workspace)
    : nodes_(nodes),
      ids_(ids),
      query_(query),
      terms_(bit_bound_terms(query, nodes.half(), deviations)),
      best_(best),
      room_(workspace) {
  room_.chances.clear();
}

std::uint32_t* HnswScan::room(std::size_t count) {
  if (room_.next.size() < next_ + count + kWriteRoom) room_.next.resize(next_ + count + kWriteRoom);
  return room_.next.data() + next_;
}

void HnswScan::add(std::size_t count) {
  const std::uint32_t* added = room_.next.data() + next_;
  for (std::size_t i = 0; i < count; ++i) nodes_.prefetch_head(added[i]);
  next_ += count;
  if (next_ >= kStep) step();
}

void HnswScan::finish() {
  while (named_ + next_ + room_.chances.size() > 0) step();
}

void HnswScan::step() {
  score_chances();
  bound();
  std::swap(room_.named, room_.next);
  named_ = std::exchange(next_, 0);
}

void HnswScan::bound() {
  if (named_ == 0) return;
  auto& [named, next, heads, bounds, positions, chances, likely] = room_;
  if (heads.size() < named_ + kWriteRoom) {
    heads.resize(named_ + kWriteRoom);
    bounds.resize(named_ + kWriteRoom);
    positions.resize(named_ + kWriteRoom);
  }
  for (std::size_t i = 0; i < named_; ++i) heads[i] = nodes_.head(named[i]);
  const VectorKernels& kernels = best_vector_kernels();
  kernels.bit_bounds(heads.data(), named_, query_.planes.data(), nodes_.words(), terms_, bounds.data());
  if (best_.worst() == nullptr) score_likely();
  const std::size_t found = kernels.collect(bounds.data(), named_, best_.floor(), positions.data());
  for (std::size_t i = 0; i < found; ++i) {
    const std::uint32_t at = positions[i];
    if (bounds[at] == kDone) continue;
    chances.push_back({bounds[at], named[at]});
    nodes_.prefetch_high(named[at]);
    nodes_.prefetch_low(named[at]);
  }
}

// While anything would be taken, those with the highest bounds first: their scores leave few of the others a chance.
void HnswScan::score_likely() {
  auto& likely = room_.likely;
  likely.reset(std::clamp(best_.k(), std::size_t{1}, kLikelyMost));
  for (std::size_t i = 0; i < named_; ++i) likely.insert(room_.bounds[i], static_cast<std::uint32_t>(i));
  for (std::size_t i = 0; i < likely.size(); ++i) {
    nodes_.prefetch_high(room_.named[likely[i].node]);
    nodes_.prefetch_low(room_.named[likely[i].node]);
  }
  for (std::size_t i = 0; i < likely.size(); ++i) {
    offer(room_.named[likely[i].node]);
    room_.bounds[likely[i].node] = kDone;
  }
}

void HnswScan::score_chances() {
  for (const auto& [bound, ordinal] : room_.chances) {
    if (bound >= best_.floor()) offer(ordinal);
  }
  room_.chances.clear();
}

void HnswScan::offer(std::uint32_t ordinal) {
  best_.offer({ids_[ordinal], nodes_.score(query_, ordinal)});
}

}  // namespace ragtime::index
