// HnswScan: looks at single vectors of a graph's columns and offers the best: their 1-bit codes first, and the 8-bit
// codes of those that these leave a chance.
//
// Vectors pass in steps, so that memory for the next ones is fetched meanwhile: named, bounded, scored. Lives for one
// search and borrows what it is made of. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/hnsw_graph.h"
#include "index/top_k.h"

namespace ragtime::index {

class HnswScan {
 public:
  // Kept between searches for its memory.
  class Workspace {
   private:
    friend HnswScan;
    struct Chance {
      float bound = 0;
      std::uint32_t ordinal = 0;
    };
    std::vector<std::uint32_t> named;
    std::vector<std::uint32_t> next;
    std::vector<const std::uint8_t*> heads;
    std::vector<float> bounds;
    std::vector<std::uint32_t> positions;
    std::vector<Chance> chances;
    CandidatePool likely;
  };

  // Scores those within so many deviations of their 1-bit estimates. `ids` are those of the nodes.
  HnswScan(const HnswNodes& nodes, std::span<const ChunkId> ids, const QueryCode& query, float deviations, TopK& best,
           Workspace& workspace);

  // Where to write the next ordinals, `count` at most; add() says how many there are.
  std::uint32_t* room(std::size_t count);
  void add(std::size_t count);
  // Looks at all that were added. Before that, best may lack some of them.
  void finish();

 private:
  void step();
  void bound();
  void score_likely();
  void score_chances();
  void offer(std::uint32_t ordinal);

  const HnswNodes& nodes_;
  std::span<const ChunkId> ids_;
  const QueryCode& query_;
  BoundTerms terms_;
  TopK& best_;
  Workspace& room_;
  std::size_t named_ = 0;
  std::size_t next_ = 0;
};

}  // namespace ragtime::index
