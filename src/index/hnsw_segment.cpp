#include "index/hnsw_segment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/check.h"
#include "index/calibration.h"
#include "index/hnsw_scan.h"
#include "index/snapshot.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kBuilt = 256;
constexpr std::size_t kPrefetched = 6;
// What expanding a node of the graph costs, in looks at one vector of a list: links and codes of its neighbours.
constexpr double kExpansionCost = 20;
constexpr std::size_t kBreadthMost = 1 << 14;
constexpr double kChanceRoom = 0.4;
// Efforts are measured for so many results; more need more.
constexpr std::size_t kCalibratedFor = 10;

constexpr std::size_t kListedAtOnce = 8;
constexpr std::size_t kListedAhead = 32;
constexpr std::size_t kLikelyMost = 64;     // Listed vectors that are scored first.
// Deviations of a 1-bit estimate within which a vector gets its score.
constexpr float kListedDeviations = 3.0f;
constexpr float kCellDeviations = 1.5f;

// Selections up to this share are searched by cells; where a walk may meet more, it is cheaper.
constexpr double kCellsMost = 0.3;
// And down to so many times √n: what cells cost grows with the root, too.
constexpr double kCellsLeast = 5;
// Cells that are ordered before they are gone through. Of the others it is only asked whether they reach far enough.
constexpr std::size_t kCellsInOrder = 12;
// Of what the target allows to be missed, the rest being left to 1-bit codes and to questions unlike the samples.
constexpr double kCellsMiss = 0.7;
constexpr float kDone = -std::numeric_limits<float>::infinity();
constexpr std::size_t kQuestions = 64;
constexpr std::size_t kNeighbours = 1024;

// One for each thread that searches, for its memory.
struct Workspace {
  struct Listed {
    std::vector<float> bounds;
    CandidatePool likely;
    std::vector<std::uint32_t> chances;
  };
  struct Cells {
    std::vector<float> reaches;
    CandidatePool first;
    std::vector<std::uint32_t> rest;
  };
  QueryCode code;
  Walk walk;
  std::vector<std::uint64_t> open;  // Of those that a search may return, as bits.
  Listed listed;
  HnswScan::Workspace scan;
  Cells cells;
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
  std::vector<float> rotated(frame->coordinates());
  for_row_blocks(rows, kBuilt, [&](std::size_t first, std::span<const float> values) {
    for (std::size_t i = 0; i < values.size() / frame->dimensions(); ++i) {
      const auto vector = values.subspan(i * frame->dimensions(), frame->dimensions());
      nodes.encode(first + i, *frame, vector, rotated);
    }
  });
  HnswBuilder builder(*frame, nodes, options.seed);
  const auto* previous = dynamic_cast<const HnswSegment*>(options.previous);
  if (previous != nullptr && previous->frame() != frame) previous = nullptr;
  if (previous != nullptr) builder.take_over(previous->nodes_, previous->ids(), ids);
  if (!builder.build(options.stop)) return nullptr;
  std::shared_ptr<HnswSegment> segment(new HnswSegment(std::vector<ChunkId>(ids.begin(), ids.end()), frame,
                                                       std::move(nodes), builder.take_levels(), builder.take_twins()));
  std::optional<VectorCells::Previous> cells;
  if (previous != nullptr) cells.emplace(previous->cells_, previous->ids());
  segment->cells_ = VectorCells::build(rows, *frame, options.seed, cells ? &*cells : nullptr);
  segment->calibrate_cells(rows, options.seed);
  return segment;
}

void HnswSegment::calibrate_cells(const VectorRows& rows, std::uint64_t seed) {
  if (cells_.empty()) return;
  const auto questions = sample_questions(rows, kQuestions, seed + 1);
  const OrdinalFilter open(ids(), nullptr, nullptr);
  std::vector<VectorCells::Neighbours> samples;
  for (std::size_t at = 0; at < questions.size(); at += dimensions()) {
    const auto vector = std::span(questions).subspan(at, dimensions());
    VectorCells::Neighbours sample{.query = frame()->prepare(vector)};
    sample.length = std::sqrt(best_vector_kernels().dot(vector.data(), vector.data(), dimensions()));
    auto hits = search_graph(sample.query, kNeighbours, open);
    std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
    for (const Hit& hit : hits) {
      sample.ordinals.push_back(static_cast<std::uint32_t>(ordinal_of(hit.id)));
      sample.scores.push_back(hit.score);
    }
    samples.push_back(std::move(sample));
  }
  cells_.calibrate(samples);
}

void HnswSegment::search(const SegmentQuery& query, TopK& best) const {
  if (size() == 0) return;
  QueryCode& code = thread_workspace().code;
  frame()->prepare(query.vector, code);
  const OrdinalFilter& filter = *query.filter;
  const std::size_t matches = filter.matches_max();
  if (matches == 0) return;
  const std::size_t wanted = std::max(query.effort, best.k() <= kCalibratedFor ? best.k() : best.k() + best.k() / 2);
  const double share = static_cast<double>(matches) / static_cast<double>(size());
  // How many of the best pass is left to chance, which takes more room the fewer do.
  const double breadth = static_cast<double>(wanted) / share * (1 + kChanceRoom * (1 - share));
  const bool is_markable = filter.is_selective() && !filter.is_thin();
  if (is_markable && share <= kCellsMost && search_marked(code, query, best)) return;
  if (breadth > kBreadthMost || breadth * kExpansionCost >= static_cast<double>(matches)) {
    search_listed(code, filter.list(), best);
    return;
  }
  const auto hits = search_graph(code, static_cast<std::size_t>(breadth), filter, query.absent);
  // As many as a filter without regard to the query would have let pass, less what chance takes.
  if (hits.size() < std::min(matches, wanted / 2)) {
    if (!is_markable || !search_marked(code, query, best)) search_listed(code, filter.list(), best);
    return;
  }
  for (const Hit& hit : hits) best.offer(hit);
}

std::vector<Hit> HnswSegment::search_graph(const QueryCode& code, std::size_t breadth,
                                           const OrdinalFilter& filter, std::optional<std::size_t> absent) const {
  Walk& walk = thread_workspace().walk;
  const auto entries = descend(nodes_, levels_, code, walk);
  const GraphLayer layer = nodes_.layer();
  // Its twins are there.
  if (absent && !twins_of(static_cast<std::uint32_t>(*absent)).empty()) absent.reset();
  walk.run(nodes_, layer, code, breadth, entries, absent);
  return pool_hits(code, filter);
}

std::vector<Hit> HnswSegment::pool_hits(const QueryCode& code, const OrdinalFilter& filter) const {
  std::vector<Hit> hits;
  const CandidatePool& pool = thread_workspace().walk.pool();
  hits.reserve(pool.size());
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (i + kPrefetched < pool.size()) {
      nodes_.prefetch_low(pool[i + kPrefetched].node);
    }
    const std::uint32_t ordinal = pool[i].node;
    const auto twins = twins_of(ordinal);
    const bool is_allowed = filter.allows(ordinal);
    if (!is_allowed && twins.empty()) continue;
    const float own_score = nodes_.score(code, ordinal);
    if (is_allowed) hits.push_back({ids()[ordinal], own_score});
    for (const Twin& twin : twins) {
      if (filter.allows(twin.ordinal)) hits.push_back({ids()[twin.ordinal], own_score});
    }
  }
  return hits;
}

bool HnswSegment::search_marked(const QueryCode& code, const SegmentQuery& query, TopK& best) const {
  auto& open = thread_workspace().open;
  const auto matches = query.filter->mark(open);
  if (!matches) return false;
  const auto few = static_cast<std::size_t>(kCellsLeast * std::sqrt(static_cast<double>(size())));
  if (cells_.empty() || *matches < few) {
    search_listed(code, OrdinalFilter::list(open, *matches), best);
  } else {
    search_cells(code, query, *matches, best);
  }
  return true;
}

void HnswSegment::search_cells(const QueryCode& code, const SegmentQuery& query, std::size_t matches,
                               TopK& best) const {
  Workspace& room = thread_workspace();
  auto& [reaches, first, rest] = room.cells;
  const VectorKernels& kernels = best_vector_kernels();
  const float length = std::sqrt(kernels.dot(query.vector.data(), query.vector.data(), dimensions()));
  const double rank = static_cast<double>(best.k()) * static_cast<double>(size()) / static_cast<double>(matches);
  cells_.reach(code, length, cells_.steps(rank, kCellsMiss * (1 - query.recall_target)), reaches);
  HnswScan scan(nodes_, ids(), code, kCellDeviations, best, room.scan);
  const auto look_into = [&](std::size_t cell) {
    if (reaches[cell] < best.floor()) return;
    const auto members = cells_.of(cell);
    scan.add(kernels.select_bits(room.open.data(), members.data(), members.size(), scan.room(members.size())));
    reaches[cell] = kDone;
  };
  // In order only as far as that pays.
  first.reset(kCellsInOrder);
  for (std::size_t cell = 0; cell < reaches.size(); ++cell) {
    first.insert(reaches[cell], static_cast<std::uint32_t>(cell));
  }
  for (std::size_t i = 0; i < first.size(); ++i) look_into(first[i].node);
  rest.resize(reaches.size() + kWriteRoom);
  const std::size_t found = kernels.collect(reaches.data(), reaches.size(), best.floor(), rest.data());
  for (std::size_t i = 0; i < found; ++i) {
    if (reaches[rest[i]] != kDone) look_into(rest[i]);
  }
  scan.finish();
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
  auto& [bounds, likely, chances] = thread_workspace().listed;
  bounds.resize(ordinals.size());
  chances.resize(ordinals.size() + kWriteRoom);
  likely.reset(std::clamp(best.k(), std::size_t{1}, kLikelyMost));
  bound_listed(code, ordinals, bounds);
  for (std::size_t i = 0; i < bounds.size(); ++i) likely.insert(bounds[i], static_cast<std::uint32_t>(i));
  // Those with the highest bounds first: their scores leave few of the others a chance.
  for (std::size_t i = 0; i < likely.size(); ++i) {
    if (i + kPrefetched < likely.size()) prefetch_codes(ordinals[likely[i + kPrefetched].node]);
    const std::uint32_t ordinal = ordinals[likely[i].node];
    bounds[likely[i].node] = kDone;
    if (likely[i].score >= best.floor()) best.offer({ids()[ordinal], nodes_.score(code, ordinal)});
  }
  const std::size_t found = best_vector_kernels().collect(bounds.data(), bounds.size(), best.floor(), chances.data());
  for (std::size_t i = 0; i < found; ++i) {
    if (i + kPrefetched < found) prefetch_codes(ordinals[chances[i + kPrefetched]]);
    const float bound = bounds[chances[i]];
    if (bound < best.floor() || std::isinf(bound)) continue;
    best.offer({ids()[ordinals[chances[i]]], nodes_.score(code, ordinals[chances[i]])});
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
  for (std::size_t i = 0; i < ordinals.size(); ++i) out[i] = nodes_.score(code, ordinals[i]);
}

void HnswSegment::reconstruct(std::size_t ordinal, std::span<float> out) const {
  frame()->decode(nodes_.high(ordinal), nodes_.low(ordinal), nodes_.factors(ordinal).fine_scale, out);
}

std::size_t HnswSegment::bytes() const {
  std::size_t sum = id_bytes() + nodes_.bytes() + cells_.bytes() + twins_.capacity() * sizeof(Twin);
  for (const HnswLevel& level : levels_) {
    sum += (level.ordinals.capacity() + level.below.capacity() + level.links.capacity()) * sizeof(std::uint32_t);
  }
  return sum;
}

}  // namespace ragtime::index
