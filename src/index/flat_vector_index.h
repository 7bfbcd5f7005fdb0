// FlatVectorIndex: exact nearest neighbours by inner product over all vectors.
//
// Vectors are normalised by the caller, so that the inner product is the cosine.
// Thread safety: const members together from any threads; a writer needs exclusive access.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "index/hit.h"

namespace ragtime::index {

class FlatVectorIndex {
 public:
  explicit FlatVectorIndex(std::size_t dimensions);
  ~FlatVectorIndex();
  FlatVectorIndex(FlatVectorIndex&&) noexcept;
  FlatVectorIndex& operator=(FlatVectorIndex&&) noexcept;

  // Preconditions: vector.size() == dimensions(), `id` is not in the index.
  void add(ChunkId id, std::span<const float> vector);
  // No-op when absent. Space returns.
  void remove(ChunkId id);

  // The best `k`, best first; equal scores by lower id.
  std::vector<Hit> search(std::span<const float> query, std::size_t k, const Accept& accept) const;
  // Inner products of the query with the given chunks; 0 for ids that are absent.
  std::vector<float> scores(std::span<const float> query, const std::vector<ChunkId>& ids) const;

  std::size_t dimensions() const;
  std::size_t size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::index
