// The graph of an HNSW index: vectors' codes and their links to neighbours, and the walk through it.
//
// Each column is laid out for what a walk reads. A node's head is its 1-bit code and its factors, in one cache line up to
// 384 dimensions: most neighbours that a walk meets are turned away by it. The upper halves of 8-bit codes are 4-bit
// codes, which say where those that remain belong; the lower halves are for scores. Links are ordinals, or numbers of
// nodes on levels above 0. Thread safety: as their members say; a Walk belongs to one search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "index/aligned_column.h"
#include "index/candidate_pool.h"
#include "index/vector_codes.h"
#include "index/visited_set.h"

namespace ragtime::index {

// Links of one level: for each node their number, then the links, `stride` values apart.
struct GraphLayer {
  const std::uint32_t* links = nullptr;
  std::size_t stride = 0;
  const std::uint32_t* ordinals = nullptr;  // Of the level's nodes; null on level 0, where nodes are ordinals.
  std::size_t size = 0;

  std::span<const std::uint32_t> of(std::uint32_t node) const {
    const std::uint32_t* at = links + node * stride;
    return {at + 1, at[0]};
  }
  std::uint32_t ordinal(std::uint32_t node) const { return ordinals == nullptr ? node : ordinals[node]; }
  void prefetch(std::uint32_t node) const {
    const auto* at = reinterpret_cast<const char*>(links + node * stride);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
  }
};

// Codes and links of level 0, by ordinal.
class HnswNodes {
 public:
  static constexpr std::size_t kLinksMost = 27;

  struct Factors {
    float add = 0;
    float bit_scale = 0;
    float coarse_scale = 0;
    float fine_scale = 0;
  };

  struct Columns {
    AlignedColumn<std::uint8_t> heads;  // 1-bit code, factors, and zeros up to a multiple of 32 bytes.
    AlignedColumn<std::uint8_t> high;
    AlignedColumn<std::uint8_t> low;
    AlignedColumn<std::uint32_t> links;
  };

  // `half` is half the number of coordinates, a multiple of 32.
  HnswNodes(std::size_t size, std::size_t half);
  // Of columns as columns() gave them. Precondition: heads of head_size(), codes of half, links of kLinksMost + 1, each
  // times size.
  HnswNodes(std::size_t size, std::size_t half, Columns columns);
  static std::size_t head_size(std::size_t half);

  std::size_t size() const { return size_; }
  std::size_t half() const { return half_; }
  std::size_t words() const { return half_ / 32; }
  std::size_t bytes() const { return columns_.heads.bytes() + columns_.high.bytes() + columns_.low.bytes() + columns_.links.bytes(); }

  // Writes the codes of a rotated vector, and the factors.
  void encode(std::size_t ordinal, const CodeFrame& frame, std::span<const float> vector, std::span<float> rotated);

  const std::uint8_t* head(std::size_t ordinal) const { return columns_.heads.data() + ordinal * head_stride_; }
  const std::uint8_t* high(std::size_t ordinal) const { return columns_.high.data() + ordinal * half_; }
  const std::uint8_t* low(std::size_t ordinal) const { return columns_.low.data() + ordinal * half_; }
  Factors factors(std::size_t ordinal) const {
    Factors factors;
    std::memcpy(&factors, head(ordinal) + half_ / 4, sizeof factors);
    return factors;
  }
  // The first is the number of links.
  std::uint32_t* links(std::size_t ordinal) { return columns_.links.data() + ordinal * (kLinksMost + 1); }
  GraphLayer layer() const { return {columns_.links.data(), kLinksMost + 1, nullptr, size_}; }
  float score(const QueryCode& query, std::size_t ordinal) const;  // By the 8-bit code.
  bool is_equal(std::size_t a, std::size_t b) const;

  void prefetch_head(std::size_t ordinal) const { prefetch(head(ordinal), head_stride_); }
  void prefetch_high(std::size_t ordinal) const { prefetch(high(ordinal), half_); }
  void prefetch_low(std::size_t ordinal) const { prefetch(low(ordinal), half_); }

  const Columns& columns() const { return columns_; }  // For saving.

 private:
  static void prefetch(const std::uint8_t* from, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at);
  }

  std::size_t size_;
  std::size_t half_;
  std::size_t head_stride_;
  Columns columns_;
};

// A level above 0. Its nodes are numbered on their own.
struct HnswLevel {
  std::vector<std::uint32_t> ordinals{};
  std::vector<std::uint32_t> below{};  // The node's number on the level below.
  std::vector<std::uint32_t> links{};  // As GraphLayer says.
  std::size_t stride = 0;

  GraphLayer layer() const { return {links.data(), stride, ordinals.data(), ordinals.size()}; }
};

// For VectorKernels::bit_bounds over heads: upper bounds within so many deviations.
BoundTerms bit_bound_terms(const QueryCode& query, std::size_t half, float deviations);

// Best-first search of one level. A node is turned away by its 1-bit code if that leaves it little chance to be among
// those kept; the others are ranked by their 4-bit codes. Kept between searches for its memory.
class Walk {
 public:
  // From `entries`, until none of the best `breadth` nodes that were met is left to expand. Passes by `absent`.
  // Precondition: there is an entry.
  void run(const HnswNodes& nodes, const GraphLayer& layer, const QueryCode& query, std::size_t breadth,
           std::span<const std::uint32_t> entries, std::optional<std::size_t> absent = std::nullopt);

  // The best of all nodes by their 1-bit codes: for small levels, where walking takes longer.
  void scan(const HnswNodes& nodes, const GraphLayer& layer, const QueryCode& query, std::size_t breadth);

  // The best nodes that the last run met.
  const CandidatePool& pool() const { return pool_; }

 private:
  struct Place {
    const HnswNodes& nodes;
    const GraphLayer& layer;
    const QueryCode& query;
    BoundTerms terms;  // Of 1-bit codes.
  };

  void reserve(std::size_t met_most);
  void meet(const Place& place, std::span<const std::uint32_t> nodes);
  void weed(const Place& place);
  void rank(const Place& place);

  const VectorKernels& kernels_ = best_vector_kernels();
  CandidatePool pool_;
  VisitedSet visited_;
  // Nodes met whose 1-bit codes are to be looked at.
  std::size_t met_count_ = 0;
  std::vector<std::uint32_t> met_;
  std::vector<const std::uint8_t*> codes_;
  std::vector<float> bounds_;
  // Those of them left, to be ranked by their 4-bit codes.
  std::size_t left_count_ = 0;
  std::vector<std::uint32_t> left_;
  std::vector<const std::uint8_t*> left_codes_;
  std::vector<std::int32_t> products_;
  std::vector<std::uint64_t> ranked_;
};

// From the highest level worth walking, which is scanned, down to level 1; gives the ordinals to enter level 0 at.
// Empty if there are no levels above.
std::vector<std::uint32_t> descend(const HnswNodes& nodes, std::span<const HnswLevel> levels, const QueryCode& query,
                                   Walk& walk);

}  // namespace ragtime::index
