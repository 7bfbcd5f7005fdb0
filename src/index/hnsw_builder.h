// Builds the graph of an HNSW index over vectors whose codes are there already.
//
// Vectors are inserted one after the other in random order: a walk by 4-bit codes finds candidates, 8-bit codes decide.
// A candidate becomes a neighbour if it is closer to the new vector than to each neighbour chosen before it (Malkov &
// Yashunin 2018, algorithm 4). While building, lists of links may grow past their end size, so that they are thinned
// seldom. A graph that was built before is taken over where most of its vectors are still there: what led to a vector
// that is gone leads to that one's neighbours. Vectors with equal codes would only link to each other: one of them is
// in the graph, the others are its twins. Thread safety: none; belongs to one build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <stop_token>
#include <vector>

#include "index/hnsw_graph.h"

namespace ragtime::index {

struct Twin {
  std::uint32_t first = 0;    // In the graph.
  std::uint32_t ordinal = 0;  // Has the same codes.
};

class HnswBuilder {
 public:
  // `nodes` hold codes and factors; get links.
  HnswBuilder(const CodeFrame& frame, HnswNodes& nodes, std::uint64_t seed);

  // Before build(): the links of vectors that have the same id and the same code in `old`, if they are at least half of
  // all. The codes must have been made with the same frame.
  void take_over(const HnswNodes& old, std::span<const ChunkId> old_ids, std::span<const ChunkId> ids);
  // Whether it came to its end.
  bool build(const std::stop_token& stop);

  std::vector<HnswLevel> take_levels() { return std::move(levels_); }
  // Ascending by `first`, then by `ordinal`.
  std::vector<Twin> take_twins() { return std::move(twins_); }

 private:
  // Where links are while building: as GraphLayer says, on level 0 with room for more than they will have.
  struct Links {
    std::uint32_t* values;
    std::size_t stride;
    std::size_t most;    // Room.
    std::size_t wanted;  // To which they are thinned.
    const std::uint32_t* ordinals;
  };

  void find_twins();
  void order_nodes();
  bool is_same(std::uint32_t ordinal) const;
  void carry_links(std::uint32_t ordinal);
  void assign_levels();
  void insert(std::uint32_t ordinal, std::size_t level);
  std::vector<std::vector<Candidate>> find_candidates(const QueryCode& query, std::size_t lowest, std::size_t highest);
  std::uint32_t add_to_level(std::size_t level, std::uint32_t ordinal, std::uint32_t below);
  void connect(std::uint32_t node, Links links, const QueryCode& query);
  void link_back(std::uint32_t node, std::uint32_t to, Links links);
  void thin(std::uint32_t node, Links links);
  void finish_links();
  void reach_all();

  Links links_of(std::size_t level);
  GraphLayer layer_of(std::size_t level);
  float fine(const QueryCode& query, std::uint32_t ordinal) const;
  // The best of candidates_ that are not closer to one another than to the vector they are candidates of.
  void select(std::size_t most, const std::uint32_t* ordinals);
  void expand(std::uint32_t ordinal, std::size_t place);
  float similarity(std::uint32_t ordinal, std::size_t place) const;

  const CodeFrame& frame_;
  HnswNodes& nodes_;
  const VectorKernels& kernels_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> order_;  // Ordinals without twins, as inserted.
  std::vector<std::uint8_t> level_;   // Of each in order_.
  std::vector<std::uint32_t> links_;  // Level 0.
  std::size_t stride_ = 0;
  std::vector<HnswLevel> levels_;
  std::vector<Twin> twins_;
  std::size_t inserted_ = 0;
  std::size_t kept_ = 0;  // So many at the front of order_ have their links on level 0 from the old graph.

  const HnswNodes* old_ = nullptr;
  std::vector<std::uint32_t> old_of_;  // Ordinals in the old graph, and back; kNone for those that are not there.
  std::vector<std::uint32_t> new_of_;

  Walk walk_;
  std::vector<float> rotated_;
  QueryCode query_;
  std::vector<Candidate> candidates_;  // Scores are 8-bit.
  std::vector<Candidate> selected_;
  // Codes of selected ones as 8-bit numbers, to compare others' codes with.
  struct Expanded {
    float add = 0;
    float scale = 0;
    float offset = 0;
  };
  std::vector<Expanded> expanded_;
  AlignedColumn<std::int8_t> expanded_codes_;
};

}  // namespace ragtime::index
