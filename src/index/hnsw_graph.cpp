#include "index/hnsw_graph.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kLinksLeast = 24;
constexpr std::size_t kCacheLine = 64;
// How many nodes of a level above are the starting points on the level below.
constexpr std::size_t kDescentBreadth = 4;

std::size_t block_bytes(std::size_t half) {
  const std::size_t least = half + sizeof(HnswBlocks::Factors) + sizeof(std::uint32_t) * (1 + kLinksLeast);
  return (least + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace

HnswBlocks::HnswBlocks(std::size_t size, std::size_t half)
    : size_(size),
      half_(half),
      links_max_((block_bytes(half) - half - sizeof(Factors)) / sizeof(std::uint32_t) - 1),
      stride_(block_bytes(half)),
      memory_(size * stride_),
      low_(size * half) {}

GraphLayer HnswBlocks::layer() const {
  const auto* first = reinterpret_cast<const std::uint32_t*>(memory_.data() + half_ + sizeof(Factors));
  return {first, stride_ / sizeof(std::uint32_t), nullptr, size_};
}

void Walk::begin(const GraphLayer& layer, std::size_t breadth) {
  pool_.reset(breadth);
  visited_.reset(layer.size);
}

void Walk::enter(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query, std::uint32_t node) {
  if (!visited_.insert(node)) return;
  fresh_.assign(1, node);
  codes_.assign(1, blocks.high(layer.ordinal(node)));
  score_fresh(blocks, layer, query);
}

void Walk::run(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query) {
  while (pool_.has_next()) {
    const std::uint32_t node = pool_.take_next();
    fresh_.clear();
    codes_.clear();
    for (const std::uint32_t link : layer.of(node)) {
      if (!visited_.insert(link)) continue;
      const std::uint32_t ordinal = layer.ordinal(link);
      blocks.prefetch(ordinal);
      fresh_.push_back(link);
      codes_.push_back(blocks.high(ordinal));
    }
    __builtin_prefetch(layer.links + pool_.peek() * layer.stride);
    __builtin_prefetch(layer.links + pool_.peek() * layer.stride + kCacheLine / sizeof(std::uint32_t));
    score_fresh(blocks, layer, query);
  }
}

void Walk::score_fresh(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query) {
  products_.resize(fresh_.size());
  best_vector_kernels().dot_nibble_list(codes_.data(), codes_.size(), query.coarse.data(), blocks.half(),
                                        products_.data());
  const float offset = -7.5f * static_cast<float>(query.coarse_sum);
  for (std::size_t i = 0; i < fresh_.size(); ++i) {
    const auto factors = blocks.factors(layer.ordinal(fresh_[i]));
    const float product = (static_cast<float>(products_[i]) + offset) * query.coarse_step;
    pool_.insert(query.base + factors.add + factors.coarse_scale * product, fresh_[i]);
  }
}

std::vector<std::uint32_t> descend(const HnswBlocks& blocks, std::span<const HnswLevel> levels, const QueryCode& query,
                                   Walk& walk) {
  std::vector<std::uint32_t> entries;
  if (levels.empty()) return entries;
  entries.push_back(0);
  for (std::size_t level = levels.size(); level-- > 0;) {
    const GraphLayer layer = levels[level].layer();
    walk.begin(layer, kDescentBreadth);
    for (const std::uint32_t node : entries) walk.enter(blocks, layer, query, node);
    walk.run(blocks, layer, query);
    entries.clear();
    for (std::size_t i = 0; i < walk.pool().size(); ++i) entries.push_back(levels[level].below[walk.pool()[i].node]);
  }
  return entries;
}

}  // namespace ragtime::index
