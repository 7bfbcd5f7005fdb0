#include "index/hnsw_segment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kBuilt = 256;
constexpr std::size_t kPrefetched = 6;
// What expanding a node of the graph costs, in looks at one vector of a list: links and codes of its neighbours.
constexpr double kExpansionCost = 20;
constexpr std::size_t kListedAtOnce = 8;
constexpr std::size_t kListedAhead = 32;
constexpr std::size_t kCollectedRoom = 16;  // Of VectorKernels::collect.
constexpr std::size_t kLikelyMost = 64;  // Listed vectors that are scored first.
// Deviations of a 1-bit estimate within which a listed vector gets its score.
constexpr float kListedDeviations = 3.0f;
constexpr std::size_t kBreadthMost = 1 << 14;
constexpr double kChanceRoom = 0.4;
// Between these shares a walk among those selected is cheaper than a wider one among all, and finds enough. Each node of
// its breadth costs so many looks at vectors of a list.
constexpr double kBridgedMost = 0.35;
constexpr double kBridgedLeast = 0.04;
constexpr double kBridgedCost = 190;

// How much wider it is than a walk over all: the fewer are selected, the longer the ways between them. Fitted to keep
// recall on text embeddings, selected near a vector, too.
double bridged_room(double share) {
  return 1.2 + 0.04 / share + 0.003 / (share * share);
}
// Efforts are measured for so many results; more need more.
constexpr std::size_t kCalibratedFor = 10;

// One for each thread that searches, for its memory.
struct Workspace {
  Walk walk;
  std::vector<std::uint64_t> open;  // Of those a walk may return, as bits.
  std::vector<float> bounds;        // Of those listed.
  CandidatePool likely;
  std::vector<std::uint32_t> chances;
};
Workspace& thread_workspace() {
  thread_local Workspace workspace;
  return workspace;
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
  if (filter.is_selective() && share <= kBridgedMost && search_marked(code, wanted, filter, best)) return;
  if (breadth > kBreadthMost || breadth * kExpansionCost >= static_cast<double>(matches)) {
    search_listed(code, filter.list(), best);
    return;
  }
  const auto hits = search_graph(code, static_cast<std::size_t>(breadth), filter);
  // As many as a filter without regard to the query would have let pass, less what chance takes.
  if (hits.size() < std::min(matches, wanted / 2)) {
    search_listed(code, filter.list(), best);
    return;
  }
  for (const Hit& hit : hits) best.offer(hit);
}

std::vector<Hit> HnswSegment::search_graph(const QueryCode& code, std::size_t breadth,
                                           const OrdinalFilter& filter) const {
  Walk& walk = thread_workspace().walk;
  const auto entries = descend(nodes_, levels_, code, walk);
  const GraphLayer layer = nodes_.layer();
  walk.run(nodes_, layer, code, breadth, entries);
  return pool_hits(code, filter);
}

std::vector<Hit> HnswSegment::pool_hits(const QueryCode& code, const OrdinalFilter& filter) const {
  std::vector<Hit> hits;
  const CandidatePool& pool = thread_workspace().walk.pool();
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

bool HnswSegment::search_marked(const QueryCode& code, std::size_t wanted, const OrdinalFilter& filter,
                                TopK& best) const {
  auto& open = thread_workspace().open;
  if (filter.is_thin()) return false;
  const auto matches = filter.mark(open);
  if (!matches) return false;
  const double share = static_cast<double>(*matches) / static_cast<double>(size());
  const double breadth = static_cast<double>(wanted) * bridged_room(share);
  const bool is_walked = share >= kBridgedLeast && breadth * kBridgedCost < static_cast<double>(*matches);
  if (!is_walked) {
    search_listed(code, OrdinalFilter::list(open, *matches), best);
  } else if (!search_bridged(code, static_cast<std::size_t>(breadth), filter, best)) {
    search_listed(code, filter.list(), best);
  }
  return true;
}

bool HnswSegment::search_bridged(const QueryCode& code, std::size_t breadth, const OrdinalFilter& filter,
                                 TopK& best) const {
  auto& open = thread_workspace().open;
  for (const Twin& twin : twins_) {
    const std::uint64_t is_open = open[twin.ordinal / 64] >> twin.ordinal % 64 & 1;
    open[twin.first / 64] |= is_open << twin.first % 64;
  }
  Walk& walk = thread_workspace().walk;
  const auto entries = descend(nodes_, levels_, code, walk);
  if (!walk.run_among(nodes_, open, code, breadth, entries)) return false;
  const auto hits = pool_hits(code, filter);
  if (hits.size() < best.k()) return false;
  for (const Hit& hit : hits) best.offer(hit);
  return true;
}

// Upper bounds by 1-bit codes.
void HnswSegment::bound_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals,
                               std::span<float> bounds) const {
  const BoundTerms terms = bit_bound_terms(code, nodes_.half(), kListedDeviations);
  std::array<const std::uint8_t*, kListedAtOnce> heads;
  const auto prefetch = [&](std::size_t from) {
    for (std::size_t i = from; i < std::min(from + kListedAtOnce, ordinals.size()); ++i) {
      nodes_.prefetch_head(ordinals[i]);
    }
  };
  for (std::size_t from = 0; from < kListedAhead; from += kListedAtOnce) prefetch(from);
  for (std::size_t first = 0; first < ordinals.size(); first += kListedAtOnce) {
    const std::size_t count = std::min(kListedAtOnce, ordinals.size() - first);
    for (std::size_t i = 0; i < count; ++i) heads[i] = nodes_.head(ordinals[first + i]);
    prefetch(first + kListedAhead);
    best_vector_kernels().bit_bounds(heads.data(), count, code.planes.data(), nodes_.words(), terms, &bounds[first]);
  }
}

void HnswSegment::search_listed(const QueryCode& code, std::span<const std::uint32_t> ordinals, TopK& best) const {
  auto& [walk, open, bounds, likely, chances] = thread_workspace();
  bounds.resize(ordinals.size());
  chances.resize(ordinals.size() + kCollectedRoom);
  likely.reset(std::clamp(best.k(), std::size_t{1}, kLikelyMost));
  bound_listed(code, ordinals, bounds);
  for (std::size_t i = 0; i < bounds.size(); ++i) likely.insert(bounds[i], static_cast<std::uint32_t>(i));
  // Those with the highest bounds first: their scores leave few of the others a chance.
  for (std::size_t i = 0; i < likely.size(); ++i) {
    if (i + kPrefetched < likely.size()) prefetch_codes(ordinals[likely[i + kPrefetched].node]);
    const std::uint32_t ordinal = ordinals[likely[i].node];
    bounds[likely[i].node] = -std::numeric_limits<float>::infinity();
    if (likely[i].score >= best.floor()) best.offer({ids()[ordinal], score(code, ordinal)});
  }
  const std::size_t found = best_vector_kernels().collect(bounds.data(), bounds.size(), best.floor(), chances.data());
  for (std::size_t i = 0; i < found; ++i) {
    if (i + kPrefetched < found) prefetch_codes(ordinals[chances[i + kPrefetched]]);
    const float bound = bounds[chances[i]];
    if (bound < best.floor() || std::isinf(bound)) continue;
    best.offer({ids()[ordinals[chances[i]]], score(code, ordinals[chances[i]])});
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
