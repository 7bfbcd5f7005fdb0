#include "index/hnsw_segment.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/check.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kBuilt = 256;
constexpr std::size_t kPrefetched = 6;
// What expanding a node of the graph costs, in looks at one vector of a list: links and codes of its neighbours.
constexpr double kExpansionCost = 20;
constexpr std::size_t kListedAtOnce = 32;
// Deviations of a 1-bit estimate within which a listed vector gets its score.
constexpr float kListedDeviations = 3.0f;
constexpr std::size_t kBreadthMost = 1 << 14;
constexpr double kChanceRoom = 0.4;
// Efforts are measured for so many results; more need more.
constexpr std::size_t kCalibratedFor = 10;

// One for each thread that searches, for its memory.
Walk& thread_walk() {
  thread_local Walk walk;
  return walk;
}

}  // namespace

HnswSegment::HnswSegment(std::vector<ChunkId> ids, std::shared_ptr<const CodeFrame> frame, HnswNodes nodes,
                         std::vector<HnswLevel> levels, std::vector<Twin> twins)
    : FramedSegment(frame->dimensions(), std::move(ids), frame),
      nodes_(std::move(nodes)),
      levels_(std::move(levels)),
      twins_(std::move(twins)) {}

std::shared_ptr<VectorSegment> HnswSegment::build(const VectorRows& rows, const SegmentOptions& options) {
  const auto frame = CodeFrame::fit(rows, options);
  const auto ids = rows.ids();
  RAGTIME_CHECK(ids.size() < CandidatePool::kNodesMost);
  HnswNodes nodes(ids.size(), frame->half());
  std::vector<float> values;
  std::vector<float> rotated(frame->coordinates());
  for (std::size_t first = 0; first < ids.size(); first += kBuilt) {
    const std::size_t count = std::min(kBuilt, ids.size() - first);
    values.resize(count * frame->dimensions());
    rows.read(first, values);
    for (std::size_t i = 0; i < count; ++i) {
      const auto vector = std::span(values).subspan(i * frame->dimensions(), frame->dimensions());
      nodes.encode(first + i, *frame, vector, rotated);
    }
  }
  HnswBuilder builder(*frame, nodes, options.seed);
  const auto* previous = dynamic_cast<const HnswSegment*>(options.previous);
  if (previous != nullptr && previous->frame() == frame) builder.take_over(previous->nodes_, previous->ids(), ids);
  builder.build();
  return std::shared_ptr<VectorSegment>(new HnswSegment(std::vector<ChunkId>(ids.begin(), ids.end()), frame,
                                                        std::move(nodes), builder.take_levels(),
                                                        builder.take_twins()));
}

float HnswSegment::score(const QueryCode& query, std::size_t ordinal) const {
  const auto factors = nodes_.factors(ordinal);
  return fine_score(best_vector_kernels(), query, nodes_.high(ordinal), nodes_.low(ordinal), nodes_.half(),
                    factors.fine_scale, factors.add);
}

void HnswSegment::search(const SegmentQuery& query, TopK& best) const {
  if (size() == 0) return;
  const QueryCode code = frame()->prepare(query.vector);
  const OrdinalFilter& filter = *query.filter;
  const std::size_t matches = filter.matches_max();
  if (matches == 0) return;
  const std::size_t wanted = std::max(query.effort, best.k() <= kCalibratedFor ? best.k() : best.k() + best.k() / 2);
  const double share = static_cast<double>(matches) / static_cast<double>(size());
  // How many of the best pass is left to chance, which takes more room the fewer do.
  const double breadth = static_cast<double>(wanted) / share * (1 + kChanceRoom * (1 - share));
  if (breadth > kBreadthMost || breadth * kExpansionCost >= static_cast<double>(matches)) {
    search_listed(code, filter, best);
    return;
  }
  const auto hits = search_graph(code, static_cast<std::size_t>(breadth), filter);
  // As many as a filter without regard to the query would have let pass, less what chance takes.
  if (hits.size() < std::min(matches, wanted / 2)) {
    search_listed(code, filter, best);
    return;
  }
  for (const Hit& hit : hits) best.offer(hit);
}

std::vector<Hit> HnswSegment::search_graph(const QueryCode& code, std::size_t breadth,
                                           const OrdinalFilter& filter) const {
  Walk& walk = thread_walk();
  const auto entries = descend(nodes_, levels_, code, walk);
  const GraphLayer layer = nodes_.layer();
  walk.run(nodes_, layer, code, breadth, entries);
  std::vector<Hit> hits;
  const CandidatePool& pool = walk.pool();
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (i + kPrefetched < pool.size()) {
      nodes_.prefetch_low(pool[i + kPrefetched].node);
    }
    const std::uint32_t ordinal = pool[i].node;
    const auto twins = twins_of(ordinal);
    const bool is_allowed = filter.allows(ordinal);
    if (!is_allowed && twins.empty()) continue;
    const float own_score = score(code, ordinal);
    if (is_allowed) hits.push_back({ids()[ordinal], own_score});
    for (const Twin& twin : twins) {
      if (filter.allows(twin.ordinal)) hits.push_back({ids()[twin.ordinal], own_score});
    }
  }
  return hits;
}

void HnswSegment::search_listed(const QueryCode& code, const OrdinalFilter& filter, TopK& best) const {
  const auto ordinals = filter.list();
  const BoundTerms terms = bit_bound_terms(code, nodes_.half(), kListedDeviations);
  std::array<const std::uint8_t*, kListedAtOnce> heads;
  std::array<float, kListedAtOnce> bounds;
  for (std::size_t first = 0; first < ordinals.size(); first += kListedAtOnce) {
    const std::size_t count = std::min(kListedAtOnce, ordinals.size() - first);
    for (std::size_t i = 0; i < count; ++i) heads[i] = nodes_.head(ordinals[first + i]);
    for (std::size_t i = first + count; i < std::min(first + 2 * kListedAtOnce, ordinals.size()); ++i) {
      nodes_.prefetch_head(ordinals[i]);
    }
    best_vector_kernels().bit_bounds(heads.data(), count, code.planes.data(), nodes_.words(), terms, bounds.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t ordinal = ordinals[first + i];
      if (bounds[i] >= best.floor()) best.offer({ids()[ordinal], score(code, ordinal)});
    }
  }
}

std::span<const Twin> HnswSegment::twins_of(std::uint32_t ordinal) const {
  if (twins_.empty()) return {};
  const auto [first, last] = std::equal_range(twins_.begin(), twins_.end(), Twin{ordinal, 0},
                                              [](const Twin& a, const Twin& b) { return a.first < b.first; });
  return {first, last};
}

void HnswSegment::scores(std::span<const float> query, std::span<const std::uint32_t> ordinals,
                         std::span<float> out) const {
  RAGTIME_CHECK(out.size() == ordinals.size());
  const QueryCode code = frame()->prepare(query, false);
  for (std::size_t i = 0; i < ordinals.size(); ++i) out[i] = score(code, ordinals[i]);
}

void HnswSegment::reconstruct(std::size_t ordinal, std::span<float> out) const {
  frame()->decode(nodes_.high(ordinal), nodes_.low(ordinal), nodes_.factors(ordinal).fine_scale, out);
}

std::size_t HnswSegment::bytes() const {
  std::size_t sum = id_bytes() + nodes_.bytes() + twins_.capacity() * sizeof(Twin);
  for (const HnswLevel& level : levels_) {
    sum += (level.ordinals.capacity() + level.below.capacity() + level.links.capacity()) * sizeof(std::uint32_t);
  }
  return sum;
}

}  // namespace ragtime::index
