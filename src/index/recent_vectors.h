// RecentVectors: vectors in f32 in the order of their addition; copies share them, so that each change makes a new one
// without copying vectors.
//
// Rows are numbered from 0 and lie in blocks that are only ever appended to: a copy sees as many rows as it had. They
// have 1-bit codes as well (bit_screen.h), so that a search compares few of the vectors exactly: those that may be
// among the best. The last of a block, as they come, up to fifteen, are all compared.
// Thread safety: const members of copies may be called from any threads while the latest copy is appended to by one
// thread. Only that latest copy may be appended to, and only after older ones have been made visible by a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/bit_screen.h"
#include "index/hit.h"
#include "index/removed_set.h"
#include "index/selection.h"
#include "index/top_k.h"

namespace ragtime::index {

class RecentVectors {
 public:
  explicit RecentVectors(std::size_t dimensions);

  std::size_t rows() const { return rows_; }  // Removed ones as well.
  std::size_t removed() const { return removed_.size(); }
  std::size_t living() const { return rows_ - removed_.size(); }
  bool is_removed(std::size_t row) const { return removed_.contains(row); }
  const RemovedSet& removed_rows() const { return removed_; }

  // Precondition: no living row has this id.
  void append(ChunkId id, std::span<const float> vector);
  // `rows` ascend. Blocks without living rows are released.
  void remove(std::span<const std::size_t> rows);

  ChunkId id_of(std::size_t row) const;
  // The living row of an id. Some 100 ns for each block whose ids lie around it.
  std::optional<std::size_t> row_of(ChunkId id) const;
  // Precondition of both: the row is living.
  std::span<const float> vector(std::size_t row) const;
  float score(std::span<const float> query, std::size_t row) const;

  // Scores are exact; codes may hide one in thousands of those at the edge of the best. `selection` may be null.
  void search(std::span<const float> query, const Selection* selection, TopK& best) const;

  // Blocks that other copies share count in full.
  std::size_t bytes() const;

 private:
  struct Block;
  class Scan;
  struct Part {
    std::shared_ptr<Block> block;  // Null when no row of it lives.
    std::size_t first = 0;         // Row of its first vector.
    std::size_t rows = 0;
    std::size_t removed = 0;
    ChunkId id_least = 0;
    ChunkId id_most = 0;
  };

  const Part& part_of(std::size_t row) const;
  void add_block();

  std::size_t dimensions_;
  std::shared_ptr<const BitScreen> screen_;  // Null for so few dimensions that codes say little.
  BitScreen::Spread spread_;                 // Of all vectors that there were.
  std::size_t rows_ = 0;
  std::vector<Part> parts_;
  RemovedSet removed_;
};

}  // namespace ragtime::index
