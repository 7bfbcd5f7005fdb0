#include "encoder/late_interaction.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace ragtime::encoder {
namespace {

// Several sums at once, which the compiler keeps in vector registers.
float inner_product(const float* a, const float* b, std::size_t size) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float rest = 0;
  for (; i < size; ++i) rest += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), rest);
}

}  // namespace

float max_sim(std::span<const float> query, std::span<const float> document, std::size_t dimensions) {
  if (query.empty() || document.empty()) return -1;
  float total = 0;
  for (std::size_t q = 0; q < query.size(); q += dimensions) {
    float best = -1;
    for (std::size_t d = 0; d < document.size(); d += dimensions) {
      best = std::max(best, inner_product(query.data() + q, document.data() + d, dimensions));
    }
    total += best;
  }
  return std::clamp(total * static_cast<float>(dimensions) / static_cast<float>(query.size()), -1.0f, 1.0f);
}

}  // namespace ragtime::encoder
