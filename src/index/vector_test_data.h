// Vectors for tests: like embeddings of text, and adversarial ones; and exact search to compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "index/top_k.h"
#include "index/vector_index.h"

namespace ragtime::index {

struct TestVectors {
  std::size_t dimensions = 0;
  std::vector<float> values{};

  std::size_t size() const { return values.size() / dimensions; }
  std::span<const float> operator[](std::size_t i) const {
    return std::span(values).subspan(i * dimensions, dimensions);
  }
};

inline void normalise(std::span<float> vector) {
  double norm2 = 0;
  for (const float value : vector) norm2 += static_cast<double>(value) * value;
  if (norm2 == 0) return;
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(norm2));
}

// Clusters whose coordinates' variances fall as a power of their number, off the origin: unit vectors.
inline TestVectors embedding_like(std::size_t count, std::size_t dimensions, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const std::size_t clusters = std::max<std::size_t>(1, count / 100);
  std::vector<float> spread(dimensions);
  for (std::size_t d = 0; d < dimensions; ++d) spread[d] = std::pow(static_cast<float>(d + 1), -0.4f);
  std::vector<float> centres(clusters * dimensions);
  for (std::size_t i = 0; i < centres.size(); ++i) centres[i] = normal(random) * spread[i % dimensions];
  TestVectors vectors{dimensions, std::vector<float>(count * dimensions)};
  for (std::size_t i = 0; i < count; ++i) {
    const float* centre = centres.data() + random() % clusters * dimensions;
    float* row = vectors.values.data() + i * dimensions;
    for (std::size_t d = 0; d < dimensions; ++d) {
      row[d] = centre[d] + 0.9f * normal(random) * spread[d] + (d == 0 ? 1.0f : 0.0f);
    }
    normalise({row, dimensions});
  }
  return vectors;
}

using TestFilter = std::function<bool(std::size_t)>;

// The ids are the positions.
inline std::vector<Hit> exact_search(const TestVectors& vectors, std::span<const float> query, std::size_t k,
                                     const TestFilter& allowed = {}) {
  TopK best(k);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    if (allowed && !allowed(i)) continue;
    double score = 0;
    for (std::size_t d = 0; d < vectors.dimensions; ++d) score += static_cast<double>(query[d]) * vectors[i][d];
    best.offer({static_cast<ChunkId>(i), static_cast<float>(score)});
  }
  return std::move(best).take_sorted();
}

// The share of the best that was found. What scores as high as the worst of the best less `slack` counts as one of
// them.
inline double recall_of(const TestVectors& vectors, std::span<const float> query, const std::vector<Hit>& found,
                        const std::vector<Hit>& best, double slack = 1e-6) {
  if (best.empty()) return 1;
  std::size_t right = 0;
  for (const Hit& hit : found) {
    double score = 0;
    const auto vector = vectors[static_cast<std::size_t>(hit.id)];
    for (std::size_t d = 0; d < vectors.dimensions; ++d) score += static_cast<double>(query[d]) * vector[d];
    right += score >= best.back().score - slack ? 1 : 0;
  }
  return static_cast<double>(std::min(right, best.size())) / static_cast<double>(best.size());
}

inline void add_all(VectorIndex& index, const TestVectors& vectors) {
  std::vector<VectorIndex::Addition> additions;
  for (std::size_t i = 0; i < vectors.size(); ++i) additions.push_back({static_cast<ChunkId>(i), vectors[i]});
  index.apply({}, additions);
}

inline void merge_now(VectorIndex& index) {
  index.adopt(index.merge(*index.view()));
}

}  // namespace ragtime::index
