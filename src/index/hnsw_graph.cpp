#include "index/hnsw_graph.h"

#include <algorithm>
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
// Deviations within which a node may still be better than estimated.
constexpr float kBitDeviations = 1.0f;
// The highest levels are left out where one below has no more nodes than this.
constexpr std::size_t kScannedMost = 100;

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

float HnswNodes::score(const QueryCode& query, std::size_t ordinal) const {
  const auto terms = factors(ordinal);
  return fine_score(best_vector_kernels(), query, high(ordinal), low(ordinal), half_, terms.fine_scale, terms.add);
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
               std::span<const std::uint32_t> entries, std::optional<std::size_t> absent) {
  const Place place{nodes, layer, query, bit_bound_terms(query, nodes.half(), kBitDeviations)};
  pool_.reset(breadth);
  visited_.reset(layer.size);
  if (absent) visited_.insert(static_cast<std::uint32_t>(*absent));
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

void Walk::scan(const HnswNodes& nodes, const GraphLayer& layer, const QueryCode& query, std::size_t breadth) {
  pool_.reset(breadth);
  reserve(layer.size);
  for (std::uint32_t node = 0; node < layer.size; ++node) {
    codes_[node] = nodes.head(layer.ordinal(node));
    nodes.prefetch_head(layer.ordinal(node));
  }
  kernels_.bit_bounds(codes_.data(), layer.size, query.planes.data(), nodes.words(),
                      bit_bound_terms(query, nodes.half(), 0), bounds_.data());
  for (std::uint32_t node = 0; node < layer.size; ++node) ranked_[node] = CandidatePool::entry_of(bounds_[node], node);
  pool_.insert(std::span(ranked_).first(layer.size));
}

void Walk::reserve(std::size_t met_most) {
  if (met_.size() >= met_most) return;
  met_.resize(met_most);
  codes_.resize(met_most);
  left_.resize(met_most + kWriteRoom);
  left_codes_.resize(met_most);
  bounds_.resize(met_most);
  products_.resize(met_most);
  ranked_.resize(met_most);
}

void Walk::meet(const Place& place, std::span<const std::uint32_t> nodes) {
  const std::size_t before = met_count_;
  met_count_ += visited_.insert_new(nodes, met_.data() + before);
  for (std::size_t i = before; i < met_count_; ++i) {
    const std::uint32_t ordinal = place.layer.ordinal(met_[i]);
    codes_[i] = place.nodes.head(ordinal);
    place.nodes.prefetch_head(ordinal);
  }
}

void Walk::weed(const Place& place) {
  const std::size_t met = std::exchange(met_count_, 0);
  if (met == 0) return;
  const auto& [nodes, layer, query, terms] = place;
  kernels_.bit_bounds(codes_.data(), met, query.planes.data(), nodes.words(), terms, bounds_.data());
  left_count_ = kernels_.collect(bounds_.data(), met, pool_.floor(), left_.data());
  for (std::size_t i = 0; i < left_count_; ++i) {
    left_[i] = met_[left_[i]];
    nodes.prefetch_high(layer.ordinal(left_[i]));
  }
}

void Walk::rank(const Place& place) {
  const std::size_t left = std::exchange(left_count_, 0);
  const auto& [nodes, layer, query, terms] = place;
  for (std::size_t i = 0; i < left; ++i) left_codes_[i] = nodes.high(layer.ordinal(left_[i]));
  kernels_.dot_nibble_list(left_codes_.data(), left, query.coarse.data(), nodes.half(), products_.data());
  const float offset = -7.5f * static_cast<float>(query.coarse_sum);
  const float floor = pool_.floor();
  std::size_t ranked = 0;
  for (std::size_t i = 0; i < left; ++i) {
    const auto factors = nodes.factors(layer.ordinal(left_[i]));
    const float product = (static_cast<float>(products_[i]) + offset) * query.coarse_step;
    const float score = query.base + factors.add + factors.coarse_scale * product;
    ranked_[ranked] = CandidatePool::entry_of(score, left_[i]);
    left_[ranked] = left_[i];
    ranked += score > floor ? 1 : 0;
  }
  for (std::size_t i = 0; i < ranked; ++i) layer.prefetch(left_[i]);
  pool_.insert(std::span(ranked_).first(ranked));
}

std::vector<std::uint32_t> descend(const HnswNodes& nodes, std::span<const HnswLevel> levels, const QueryCode& query,
                                   Walk& walk) {
  std::vector<std::uint32_t> entries;
  if (levels.empty()) return entries;
  std::size_t scanned = levels.size() - 1;
  while (scanned > 0 && levels[scanned - 1].ordinals.size() <= kScannedMost) --scanned;
  for (std::size_t level = scanned + 1; level-- > 0;) {
    if (level == scanned) {
      walk.scan(nodes, levels[level].layer(), query, kDescentBreadth);
    } else {
      walk.run(nodes, levels[level].layer(), query, kDescentBreadth, entries);
    }
    entries.clear();
    for (std::size_t i = 0; i < walk.pool().size(); ++i) entries.push_back(levels[level].below[walk.pool()[i].node]);
  }
  return entries;
}

}  // namespace ragtime::index
