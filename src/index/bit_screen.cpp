#include "index/bit_screen.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace ragtime::index {
namespace {

constexpr float kHeadDeviations = 2.25f;
constexpr float kDeviations = 2.75f;
// What two bits stand for, ±1 and ±3 halves of this many standard deviations, errs least for normal values.
constexpr float kHeadStep = 0.9957f;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kFactorBytes = 2 * sizeof(float);

struct Sums {
  float magnitudes = 0;
  float squares = 0;
};

std::vector<float> rotate(const Rotation& rotation, std::span<const float> vector) {
  std::vector<float> rotated;
  rotated.reserve(rotation.padded_dimensions());
  rotated.assign(vector.begin(), vector.end());
  rotated.resize(rotation.padded_dimensions());
  rotation.apply(rotated);
  return rotated;
}

Sums sums_of(std::span<const float> values) {
  Sums sums;
  for (const float value : values) {
    sums.magnitudes += std::abs(value);
    sums.squares += value * value;
  }
  return sums;
}

float spread_of(std::size_t coordinates, std::size_t all, float magnitudes, float norm2) {
  if (norm2 <= 0) return 0;
  const float along = magnitudes * magnitudes / norm2;
  return std::max(static_cast<float>(coordinates) - along, 0.0f) / static_cast<float>(all - 1);
}

std::uint64_t signs_of(const float* values) {
  std::uint64_t signs = 0;
  for (std::size_t i = 0; i < 64; ++i) signs |= std::uint64_t{values[i] >= 0 ? 1u : 0u} << i;
  return signs;
}

struct HeadRounding {
  float step = 0;
  float rounding2 = 0;
};

// Values as step · (±2 ± 1), with the sign of 2 in the second plane and that of 1 in the first.
HeadRounding round_head(std::span<const float> values, float deviation, std::uint64_t* planes) {
  const std::size_t words = values.size() / 64;
  const float border = kHeadStep * deviation;
  float along = 0, squares = 0, units2 = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float magnitude = std::abs(values[i]);
    const bool is_positive = values[i] >= 0;
    const bool is_large = magnitude >= border;
    planes[i / 64] |= std::uint64_t{is_large == is_positive ? 1u : 0u} << i % 64;
    planes[words + i / 64] |= std::uint64_t{is_positive ? 1u : 0u} << i % 64;
    along += is_large ? 3 * magnitude : magnitude;
    squares += magnitude * magnitude;
    units2 += is_large ? 9.0f : 1.0f;
  }
  const float step = along > 0 ? squares / along : 0;
  return {step, std::max(step * step * units2 - squares, 0.0f)};
}

float slack(float deviations, float norm2, float spread, float rounding2) {
  return deviations * std::sqrt(norm2 * spread + rounding2);
}

}  // namespace

void BitScreen::Spread::widen(const Spread& other) {
  head = std::max(head, other.head);
  whole = std::max(whole, other.whole);
}

BitScreen::BitScreen(std::size_t dimensions, std::uint64_t seed)
    : rotation_(dimensions, seed),
      words_(rotation_.padded_dimensions() / 64),
      head_words_(std::min(words_, kHeadWordsMost)),
      whole_bytes_((words_ * sizeof(std::uint64_t) + kFactorBytes + kCacheLine - 1) / kCacheLine * kCacheLine) {
  RAGTIME_CHECK(head_words_ >= 2);
}

BitScreen::Codes BitScreen::make_codes(std::size_t rows) const {
  RAGTIME_CHECK(rows % kGroup == 0);
  return {.heads = AlignedColumn<std::uint64_t>(rows * head_words_),
          .head_scales = AlignedColumn<float>(rows),
          .wholes = AlignedColumn<std::uint8_t>(rows * whole_bytes_)};
}

BitScreen::Spread BitScreen::encode(std::span<const float> vector, Codes& codes, std::size_t at) const {
  const std::vector<float> rotated = rotate(rotation_, vector);
  const std::size_t head_size = head_words_ * 64;
  const Sums head = sums_of(std::span(rotated).first(head_size));
  const Sums rest = sums_of(std::span(rotated).subspan(head_size));
  const float norm2 = head.squares + rest.squares;
  const float magnitudes = head.magnitudes + rest.magnitudes;
  const auto scale = [&](float sum) { return sum > 0 ? norm2 / sum : 0.0f; };
  std::uint64_t* heads = codes.heads.data() + at / kBitBlock * kBitBlock * head_words_ + at % kBitBlock;
  std::uint8_t* whole = codes.wholes.data() + at * whole_bytes_;
  for (std::size_t word = 0; word < words_; ++word) {
    const std::uint64_t signs = signs_of(rotated.data() + word * 64);
    if (word < head_words_) heads[word * kBitBlock] = signs;
    std::memcpy(whole + word * sizeof signs, &signs, sizeof signs);
  }
  codes.head_scales[at] = scale(head.magnitudes);
  const float factors[2] = {0, scale(magnitudes)};
  std::memcpy(whole + words_ * sizeof(std::uint64_t), factors, kFactorBytes);
  return {spread_of(head_size, rotated.size(), head.magnitudes, norm2),
          spread_of(rotated.size(), rotated.size(), magnitudes, norm2)};
}

BitScreen::Query BitScreen::prepare(std::span<const float> query, const Spread& spread) const {
  const VectorKernels& kernels = best_vector_kernels();
  const std::vector<float> rotated = rotate(rotation_, query);
  const auto size = static_cast<float>(rotated.size());
  const float norm2 = kernels.dot(rotated.data(), rotated.data(), rotated.size());
  Query prepared{.head_planes = std::vector<std::uint64_t>(kHeadPlanes * head_words_),
                 .planes = std::vector<std::uint64_t>(kQueryPlanes * words_)};
  const float step = kernels.largest_magnitude(rotated.data(), rotated.size()) / 15;
  const float rounding2 = kernels.round_planes(rotated.data(), rotated.size(), step, prepared.planes.data());
  prepared.whole = {.offset = 15 * size * step,
                    .factor = -2 * step,
                    .slack = slack(kDeviations, norm2, spread.whole, rounding2)};
  const auto head = std::span(rotated).first(head_words_ * 64);
  const auto [head_step, head_rounding2] = round_head(head, std::sqrt(norm2 / size), prepared.head_planes.data());
  prepared.head = {.offset = 3 * static_cast<float>(head.size()) * head_step,
                   .factor = -2 * head_step,
                   .slack = slack(kHeadDeviations, norm2, spread.head, head_rounding2)};
  return prepared;
}

std::size_t BitScreen::screen(const Codes& codes, std::size_t rows, const Query& query, float floor,
                              std::uint32_t* positions) const {
  static const BitScreenKernel kernel = bit_screen_kernels().front();
  return kernel({codes.heads.data(), codes.head_scales.data(), rows, query.head_planes.data(), head_words_, query.head,
                 floor},
                positions);
}

void BitScreen::bound(std::span<const std::uint8_t* const> wholes, const Query& query, float* bounds) const {
  best_vector_kernels().bit_bounds(wholes.data(), wholes.size(), query.planes.data(), words_, query.whole, bounds);
}

}  // namespace ragtime::index
