#include "index/hnsw_graph.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ragtime::index {
namespace {

constexpr std::size_t kHeadUnit = 32;
// How many nodes of a level above are the starting points on the level below.
constexpr std::size_t kDescentBreadth = 2;
// The standard deviation of a 1-bit estimate in units of its scale: √(1 − 2/π) for coordinates that are
// distributed normally, as random rotations leave them.
constexpr float kBitErrorOfScale = 0.603f;
// Nodes are expanded in twos, so that fewer steps wait for memory.
constexpr std::size_t kExpandedAtOnce = 2;
constexpr std::size_t kTakenRoom = 16;  // Of VectorKernels::take_bits.
// Deviations within which a node may still be better than estimated.
constexpr float kBitDeviations = 1.0f;
// A walk among some nodes enters through at most so many others, until so many are met.
constexpr std::size_t kEntryBridges = 128;
constexpr std::size_t kEntered = 16;
constexpr std::size_t kSampled = 16;
// At each step it passes through at most so many, of which the links are likely to be better than those kept.
constexpr std::size_t kBridgedAtOnce = 32;
constexpr float kBridgeDeviations = 2.0f;

std::size_t head_bytes(std::size_t half) {
  return (half / 4 + sizeof(HnswNodes::Factors) + kHeadUnit - 1) / kHeadUnit * kHeadUnit;
}

}  // namespace

HnswNodes::HnswNodes(std::size_t size, std::size_t half)
    : HnswNodes(size, half,
                {.heads = AlignedColumn<std::uint8_t>(size * head_bytes(half)),
                 .high = AlignedColumn<std::uint8_t>(size * half),
                 .low = AlignedColumn<std::uint8_t>(size * half),
                 .links = AlignedColumn<std::uint32_t>(size * (kLinksMost + 1))}) {}

HnswNodes::HnswNodes(std::size_t size, std::size_t half, Columns columns)
    : size_(size), half_(half), head_stride_(head_bytes(half)), columns_(std::move(columns)) {}

std::size_t HnswNodes::head_size(std::size_t half) {
  return head_bytes(half);
}

void HnswNodes::encode(std::size_t ordinal, const CodeFrame& frame, std::span<const float> vector,
                       std::span<float> rotated) {
  const CodeTerms terms = frame.encode(vector, rotated, columns_.high.data() + ordinal * half_,
                                       columns_.low.data() + ordinal * half_);
  std::uint8_t* head = columns_.heads.data() + ordinal * head_stride_;
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    head[i / 8] |= static_cast<std::uint8_t>((rotated[i] >= 0 ? 1u : 0u) << i % 8);
  }
  const Factors factors{terms.add, terms.bit_scale, terms.coarse_scale, terms.fine_scale};
  std::memcpy(head + half_ / 4, &factors, sizeof factors);
}

bool HnswNodes::is_equal(std::size_t a, std::size_t b) const {
  return std::memcmp(head(a), head(b), head_stride_) == 0 && std::memcmp(high(a), high(b), half_) == 0 &&
         std::memcmp(low(a), low(b), half_) == 0;
}

BoundTerms bit_bound_terms(const QueryCode& query, std::size_t half, float deviations) {
  const float most = query.bit_step * 15 * static_cast<float>(2 * half);
  return {query.base, most, -2 * query.bit_step, deviations * kBitErrorOfScale * query.bit_deviation};
}

void Walk::run(const HnswNodes& nodes, const GraphLayer& layer, const QueryCode& query, std::size_t breadth,
               std::span<const std::uint32_t> entries) {
  const Place place{nodes, layer, query};
  pool_.reset(breadth);
  visited_.reset(layer.size);
  reserve(std::max(entries.size(), kExpandedAtOnce * layer.stride) + 1);
  left_count_ = 0;
  meet(place, entries);
  weed(place);
  // Nodes are expanded before those that the last step left are ranked: memory for both is fetched at once.
  while (left_count_ > 0 || pool_.has_next()) {
    for (std::size_t i = 0; i < kExpandedAtOnce && pool_.has_next(); ++i) {
      meet(place, layer.of(pool_.take_next()));
    }
    rank(place);
    weed(place);
  }
}

void Walk::reserve(std::size_t met_most) {
  if (met_.size() >= met_most) return;
  met_.resize(met_most);
  codes_.resize(met_most);
  left_.resize(met_most);
  left_codes_.resize(met_most);
  bounds_.resize(met_most);
  products_.resize(met_most);
}

bool Walk::run_among(const HnswNodes& nodes, std::span<std::uint64_t> open, const QueryCode& query,
                     std::size_t breadth, std::span<const std::uint32_t> entries) {
  const GraphLayer layer = nodes.layer();
  const Place place{nodes, layer, query};
  pool_.reset(breadth);
  visited_.reset(layer.size);
  reserve(entries.size() + kEntered + kSampled + (kBridgedAtOnce + kExpandedAtOnce) * layer.stride + kTakenRoom);
  const std::size_t bridges_most = entries.size() + kEntryBridges * layer.stride + kTakenRoom;
  if (bridges_.size() < bridges_most) {
    bridges_.resize(bridges_most);
    bridge_codes_.resize(bridges_most);
    bridge_bounds_.resize(bridges_most);
  }
  left_count_ = 0;
  if (!enter(place, open, entries)) return false;
  weed(place);
  // What is met through others waits for the next step, while memory for it is fetched.
  while (left_count_ > 0 || met_count_ > 0 || pool_.has_next()) {
    for (std::size_t i = 0; i < kExpandedAtOnce && pool_.has_next(); ++i) {
      take(place, open.data(), layer.of(pool_.take_next()), true);
    }
    rank(place);
    weigh_bridges(place);
    weed(place);
    bridge(place, open.data());
  }
  return true;
}

// Those of the nodes that are open are met; the others, if wanted, may be ones to pass through.
void Walk::take(const Place& place, std::uint64_t* open, std::span<const std::uint32_t> nodes, bool with_rest) {
  std::uint32_t* rest = with_rest ? bridges_.data() + bridge_count_ : nullptr;
  const std::size_t taken =
      best_vector_kernels().take_bits(open, nodes.data(), nodes.size(), met_.data() + met_count_, rest);
  for (std::size_t i = met_count_; i < met_count_ + taken; ++i) {
    codes_[i] = place.nodes.head(met_[i]);
    place.nodes.prefetch_head(met_[i]);
    visited_.insert(met_[i]);
  }
  met_count_ += taken;
  if (!with_rest) return;
  std::size_t count = bridge_count_;
  for (std::size_t i = 0; i < nodes.size() - taken; ++i) {
    const std::uint32_t node = rest[i];
    bridges_[count] = node;
    bridge_codes_[count] = place.nodes.head(node);
    place.nodes.prefetch_head(node);
    count += visited_.insert(node) ? 1 : 0;
  }
  bridge_count_ = count;
}

// Through the entries, and what they lead to. Whether enough are met; then with some from all over, which may lead
// elsewhere and fill the pool, so that it has a floor.
bool Walk::enter(const Place& place, std::span<std::uint64_t> open, std::span<const std::uint32_t> entries) {
  met_count_ = 0;
  bridge_count_ = 0;
  take(place, open.data(), entries, true);
  // Those among the entries are seen again as links of others, but not taken again.
  for (const std::uint32_t entry : entries) take(place, open.data(), place.layer.of(entry), true);
  for (std::size_t i = 0; i < bridge_count_ && i < kEntryBridges && met_count_ < kEntered; ++i) {
    take(place, open.data(), place.layer.of(bridges_[i]), true);
  }
  bridge_count_ = 0;
  if (met_count_ < kEntered) {
    met_count_ = 0;
    return false;
  }
  const std::size_t step = (open.size() + kSampled - 1) / kSampled;
  for (std::size_t word = step / 2; word < open.size(); word += step) {
    if (open[word] == 0) continue;
    const auto node = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(open[word])));
    take(place, open.data(), std::span(&node, 1), false);
  }
  return true;
}

// Leaves those whose neighbours have a chance.
void Walk::weigh_bridges(const Place& place) {
  const std::size_t count = std::exchange(bridge_count_, 0);
  if (count == 0) return;
  const auto& [nodes, layer, query] = place;
  best_vector_kernels().bit_bounds(bridge_codes_.data(), count, query.planes.data(), nodes.words(),
                                   bit_bound_terms(query, nodes.half(), kBridgeDeviations), bridge_bounds_.data());
  const float floor = pool_.floor();
  std::size_t left = 0;
  for (std::size_t i = 0; i < count && left < kBridgedAtOnce; ++i) {
    if (!(bridge_bounds_[i] > floor)) continue;
    layer.prefetch(bridges_[i]);
    bridges_[left++] = bridges_[i];
  }
  bridge_count_ = left;
}

void Walk::bridge(const Place& place, std::uint64_t* open) {
  const std::size_t bridges = std::exchange(bridge_count_, 0);
  for (std::size_t i = 0; i < bridges; ++i) take(place, open, place.layer.of(bridges_[i]), false);
}

void Walk::meet(const Place& place, std::span<const std::uint32_t> nodes) {
  std::size_t count = met_count_;
  for (const std::uint32_t node : nodes) {
    const std::uint32_t ordinal = place.layer.ordinal(node);
    met_[count] = node;
    codes_[count] = place.nodes.head(ordinal);
    place.nodes.prefetch_head(ordinal);
    count += visited_.insert(node) ? 1 : 0;
  }
  met_count_ = count;
}

void Walk::weed(const Place& place) {
  const std::size_t met = std::exchange(met_count_, 0);
  if (met == 0) return;
  const auto& [nodes, layer, query] = place;
  best_vector_kernels().bit_bounds(codes_.data(), met, query.planes.data(), nodes.words(),
                                   bit_bound_terms(query, nodes.half(), kBitDeviations), bounds_.data());
  const float floor = pool_.floor();
  std::size_t left = 0;
  for (std::size_t i = 0; i < met; ++i) {
    left_[left] = met_[i];
    left += bounds_[i] > floor ? 1 : 0;
  }
  for (std::size_t i = 0; i < left; ++i) nodes.prefetch_high(layer.ordinal(left_[i]));
  left_count_ = left;
}

void Walk::rank(const Place& place) {
  const std::size_t left = std::exchange(left_count_, 0);
  const auto& [nodes, layer, query] = place;
  for (std::size_t i = 0; i < left; ++i) left_codes_[i] = nodes.high(layer.ordinal(left_[i]));
  best_vector_kernels().dot_nibble_list(left_codes_.data(), left, query.coarse.data(), nodes.half(), products_.data());
  const float offset = -7.5f * static_cast<float>(query.coarse_sum);
  for (std::size_t i = 0; i < left; ++i) {
    const auto factors = nodes.factors(layer.ordinal(left_[i]));
    const float product = (static_cast<float>(products_[i]) + offset) * query.coarse_step;
    if (pool_.insert(query.base + factors.add + factors.coarse_scale * product, left_[i])) layer.prefetch(left_[i]);
  }
}

std::vector<std::uint32_t> descend(const HnswNodes& nodes, std::span<const HnswLevel> levels, const QueryCode& query,
                                   Walk& walk) {
  std::vector<std::uint32_t> entries;
  if (levels.empty()) return entries;
  entries.push_back(0);
  for (std::size_t level = levels.size(); level-- > 0;) {
    walk.run(nodes, levels[level].layer(), query, kDescentBreadth, entries);
    entries.clear();
    for (std::size_t i = 0; i < walk.pool().size(); ++i) entries.push_back(levels[level].below[walk.pool()[i].node]);
  }
  return entries;
}

}  // namespace ragtime::index
