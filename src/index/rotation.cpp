#include "index/rotation.h"

#include <algorithm>
#include <bit>
#include <random>

#include "base/check.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kRounds = 3;
constexpr std::size_t kPadding = 64;

}  // namespace

Rotation::Rotation(std::size_t dimensions, std::uint64_t seed)
    : dimensions_(dimensions),
      padded_((dimensions + kPadding - 1) / kPadding * kPadding),
      block_(std::bit_floor(padded_)) {
  RAGTIME_CHECK(dimensions > 0);
  std::mt19937_64 random(seed);
  signs_.resize(kRounds * padded_);
  for (float& sign : signs_) sign = (random() & 1) != 0 ? 1.0f : -1.0f;
}

void Rotation::apply(std::span<float> values) const {
  RAGTIME_CHECK(values.size() == padded_);
  float* const out = values.data();
  const auto hadamard = best_vector_kernels().hadamard;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const float* signs = signs_.data() + round * padded_;
    for (std::size_t i = 0; i < padded_; ++i) out[i] *= signs[i];
    hadamard(out, block_);
    if (block_ != padded_) hadamard(out + padded_ - block_, block_);
  }
}

void Rotation::revert(std::span<float> values) const {
  RAGTIME_CHECK(values.size() == padded_);
  const auto hadamard = best_vector_kernels().hadamard;
  for (std::size_t round = kRounds; round-- > 0;) {
    if (block_ != padded_) hadamard(values.data() + padded_ - block_, block_);
    hadamard(values.data(), block_);
    const float* signs = signs_.data() + round * padded_;
    for (std::size_t i = 0; i < padded_; ++i) values[i] *= signs[i];
  }
}

}  // namespace ragtime::index
