// LexicalIndex: an in-memory inverted index with BM25 ranking.
//
// score = Σ idf(t) · tf·(k1+1) / (tf + k1·(1 − b + b·len/avglen)), idf = ln(1 + (N − df + 0.5)/(df + 0.5))
// (Robertson & Zaragoza 2009, with Lucene's non-negative idf).
// Thread safety: const members together from any threads; a writer needs exclusive access.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "index/hit.h"

namespace ragtime::index {

struct Bm25Options {
  float k1 = 0.9f;
  float b = 0.4f;
};

class LexicalIndex {
 public:
  explicit LexicalIndex(Bm25Options options = {});
  ~LexicalIndex();
  LexicalIndex(LexicalIndex&&) noexcept;
  LexicalIndex& operator=(LexicalIndex&&) noexcept;

  // `terms` as text::analyze() gives them. Precondition: `id` is not in the index.
  void add(ChunkId id, const std::vector<std::string>& terms);
  // No-op when absent. Space returns.
  void remove(ChunkId id);

  // The best `k`, best first; equal scores by lower id. Only chunks with at least one of the terms appear.
  std::vector<Hit> search(const std::vector<std::string>& terms, std::size_t k, const Accept& accept) const;

  std::size_t size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::index
