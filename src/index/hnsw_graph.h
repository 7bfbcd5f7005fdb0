// The graph of an HNSW index and the walk through it (Malkov & Yashunin 2018).
//
// Level 0 holds all vectors: one block of memory for each, with the 4-bit code that walks compare and the links that
// they follow. The levels above hold samples, each a fourteenth or so of the one below, to get near the target in few
// steps. Thread safety: HnswGraph may be read from any threads once it is built; a Walk belongs to one search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "index/aligned_column.h"
#include "index/candidate_pool.h"
#include "index/vector_codes.h"
#include "index/visited_set.h"

namespace ragtime::index {

// Where the links of one level lie: links[node * stride] is their number, those follow.
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
};

// Blocks of level 0: 4-bit code, factors, number of links, links; a multiple of 64 bytes.
class HnswBlocks {
 public:
  struct Factors {
    float coarse_scale = 0;
    float add = 0;
    float fine_scale = 0;
  };

  HnswBlocks(std::size_t size, std::size_t half);

  std::size_t size() const { return size_; }
  std::size_t half() const { return half_; }
  std::size_t links_max() const { return links_max_; }
  std::size_t bytes() const { return memory_.bytes() + low_.bytes(); }

  std::uint8_t* high(std::size_t ordinal) { return memory_.data() + ordinal * stride_; }
  const std::uint8_t* high(std::size_t ordinal) const { return memory_.data() + ordinal * stride_; }
  std::uint8_t* low(std::size_t ordinal) { return low_.data() + ordinal * half_; }
  const std::uint8_t* low(std::size_t ordinal) const { return low_.data() + ordinal * half_; }
  Factors factors(std::size_t ordinal) const {
    Factors factors;
    std::memcpy(&factors, high(ordinal) + half_, sizeof factors);
    return factors;
  }
  void set_factors(std::size_t ordinal, const Factors& factors) {
    std::memcpy(high(ordinal) + half_, &factors, sizeof factors);
  }
  // The first is the number of links.
  std::uint32_t* links(std::size_t ordinal) {
    return reinterpret_cast<std::uint32_t*>(high(ordinal) + half_ + sizeof(Factors));
  }
  GraphLayer layer() const;

  void prefetch(std::size_t ordinal) const {
    const std::uint8_t* at = high(ordinal);
    for (std::size_t i = 0; i < half_ + sizeof(Factors); i += 64) __builtin_prefetch(at + i);
  }

  AlignedColumn<std::uint8_t>& memory() { return memory_; }
  const AlignedColumn<std::uint8_t>& memory() const { return memory_; }
  AlignedColumn<std::uint8_t>& low_codes() { return low_; }
  const AlignedColumn<std::uint8_t>& low_codes() const { return low_; }

 private:
  std::size_t size_;
  std::size_t half_;
  std::size_t links_max_;
  std::size_t stride_;
  AlignedColumn<std::uint8_t> memory_;
  AlignedColumn<std::uint8_t> low_;
};

// A level above 0. Its nodes are numbered on their own.
struct HnswLevel {
  std::vector<std::uint32_t> ordinals{};
  std::vector<std::uint32_t> below{};  // The node's number on the level below.
  std::vector<std::uint32_t> links{};  // As GraphLayer says.
  std::size_t stride = 0;

  GraphLayer layer() const { return {links.data(), stride, ordinals.data(), ordinals.size()}; }
};

// Best-first search of one level by 4-bit codes. Kept between searches for its memory.
class Walk {
 public:
  // Starts over, to keep the best `breadth` nodes of the layer.
  void begin(const GraphLayer& layer, std::size_t breadth);
  void enter(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query, std::uint32_t node);
  // Expands until none of the kept nodes is left to expand.
  void run(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query);

  const CandidatePool& pool() const { return pool_; }

 private:
  void score_fresh(const HnswBlocks& blocks, const GraphLayer& layer, const QueryCode& query);

  CandidatePool pool_;
  VisitedSet visited_;
  std::vector<std::uint32_t> fresh_;
  std::vector<const std::uint8_t*> codes_;
  std::vector<std::int32_t> products_;
};

// From the single node of the highest level down to the level above 0; gives the ordinals to enter level 0 at.
// Empty if there are no levels above.
std::vector<std::uint32_t> descend(const HnswBlocks& blocks, std::span<const HnswLevel> levels, const QueryCode& query,
                                   Walk& walk);

}  // namespace ragtime::index
