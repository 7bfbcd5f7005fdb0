#include "index/rotation.h"

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
  const VectorKernels& kernels = best_vector_kernels();
  for (std::size_t round = 0; round < kRounds; ++round) {
    kernels.multiply(values.data(), signs_.data() + round * padded_, padded_);
    kernels.hadamard(values.data(), block_);
    if (block_ != padded_) kernels.hadamard(values.data() + padded_ - block_, block_);
  }
}

void Rotation::revert(std::span<float> values) const {
  RAGTIME_CHECK(values.size() == padded_);
  const VectorKernels& kernels = best_vector_kernels();
  for (std::size_t round = kRounds; round-- > 0;) {
    if (block_ != padded_) kernels.hadamard(values.data() + padded_ - block_, block_);
    kernels.hadamard(values.data(), block_);
    kernels.multiply(values.data(), signs_.data() + round * padded_, padded_);
  }
}

}  // namespace ragtime::index
