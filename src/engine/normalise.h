// Vectors of length one, so that the inner product is the cosine. Pure.
#pragma once

#include <cmath>
#include <span>
#include <vector>

namespace ragtime::engine {

// A zero vector stays as it is.
inline std::vector<float> normalised(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  std::vector<float> result;
  result.reserve(vector.size());
  for (const float value : vector) result.push_back(static_cast<float>(value * scale));
  return result;
}

}  // namespace ragtime::engine
