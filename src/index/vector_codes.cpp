#include "index/vector_codes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/check.h"
#include "index/snapshot.h"
#include "index/vector_kernels.h"

namespace ragtime::index {
namespace {

constexpr float kLevels = 127.5f;       // The middle of an 8-bit code.
constexpr float kCoarseOffset = 7.5f;   // What the lower four bits are on average.
constexpr float kPlaneWeights = 15.0f;  // Σ 2^p over the planes.
constexpr std::size_t kRowsAtOnce = 256;
constexpr std::size_t kRowsSampled = 65'536;
// An old centroid is good enough as long as its distance adds so little to the mean square of residuals.
constexpr double kCentroidDrift = 0.02;

// The least tangent between a code and its vector that errors are computed with, by bits: below it the query's own
// rounding, which counts 1 / least times as much, is what errs.
constexpr float kBitTangentLeast = 0.3f;
constexpr float kCoarseTangentLeast = 0.03f;
constexpr float kFineTangentLeast = 0.002f;

// |r|² / <r̂, r> and tan(r̂, r) · |r| / √(P − 1).
struct Estimate {
  float scale = 0;
  float error = 0;
};

Estimate estimate(double norm2, double product, double code_norm2, std::size_t coordinates, float tangent_least) {
  if (norm2 <= 0 || product <= 0) return {};
  const double tangent2 = std::max(norm2 * code_norm2 / (product * product) - 1, 0.0);
  const double tangent = std::max(std::sqrt(tangent2), static_cast<double>(tangent_least));
  return {static_cast<float>(norm2 / product),
          static_cast<float>(std::sqrt(norm2 / static_cast<double>(coordinates - 1)) * tangent)};
}

float largest_magnitude(std::span<const float> values) {
  return best_vector_kernels().largest_magnitude(values.data(), values.size());
}

double square_norm(std::span<const float> values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

float deviation(double norm2, double rounding2, float tangent_least) {
  const double weight = 1 + 1 / (static_cast<double>(tangent_least) * tangent_least);
  return static_cast<float>(std::sqrt(norm2 + weight * rounding2));
}

}  // namespace

CodeFrame::CodeFrame(std::size_t dimensions, std::uint64_t seed, std::vector<float> centroid)
    : rotation_(dimensions, seed), seed_(seed), centroid_(std::move(centroid)) {
  RAGTIME_CHECK(centroid_.size() == dimensions);
}

std::shared_ptr<const CodeFrame> CodeFrame::fit(const VectorRows& rows, const SegmentOptions& options) {
  const std::size_t dimensions = rows.dimensions();
  const std::size_t count = rows.ids().size();
  const std::size_t batches = (std::min(count, kRowsSampled) + kRowsAtOnce - 1) / kRowsAtOnce;
  std::vector<double> sums(dimensions);
  double square_sum = 0;
  std::size_t sampled = 0;
  std::vector<float> values;
  for (std::size_t batch = 0; batch < batches; ++batch) {
    const std::size_t first = count / batches * batch;
    const std::size_t taken = std::min(kRowsAtOnce, count - first);
    values.resize(taken * dimensions);
    rows.read(first, values);
    for (std::size_t i = 0; i < values.size(); ++i) sums[i % dimensions] += values[i];
    square_sum += square_norm(values);
    sampled += taken;
  }
  std::vector<float> mean(dimensions);
  double drift2 = 0;
  const auto* previous = dynamic_cast<const FramedSegment*>(options.previous);
  if (previous != nullptr && previous->dimensions() != dimensions) previous = nullptr;
  for (std::size_t i = 0; i < dimensions && sampled > 0; ++i) {
    mean[i] = static_cast<float>(sums[i] / static_cast<double>(sampled));
    const double step = previous == nullptr ? 0 : mean[i] - previous->frame()->centroid_[i];
    drift2 += step * step;
  }
  const double spread2 = sampled == 0 ? 0 : square_sum / static_cast<double>(sampled) - square_norm(mean);
  if (previous != nullptr && drift2 <= kCentroidDrift * spread2) return previous->frame();
  return std::make_shared<CodeFrame>(dimensions, options.seed, std::move(mean));
}

void CodeFrame::rotate(std::span<const float> vector, std::span<float> rotated) const {
  RAGTIME_CHECK(vector.size() == dimensions() && rotated.size() == coordinates());
  for (std::size_t i = 0; i < vector.size(); ++i) rotated[i] = vector[i] - centroid_[i];
  std::fill(rotated.begin() + static_cast<std::ptrdiff_t>(vector.size()), rotated.end(), 0.0f);
  rotation_.apply(rotated);
}

CodeTerms CodeFrame::encode_rotated(std::span<const float> rotated, std::uint8_t* high, std::uint8_t* low) const {
  const float step = largest_magnitude(rotated) / kLevels;
  const float inverse = step > 0 ? 1 / step : 0;
  std::fill_n(high, half(), std::uint8_t{0});
  std::fill_n(low, half(), std::uint8_t{0});
  double norm2 = 0, magnitudes = 0, fine_product = 0, fine_norm2 = 0, coarse_product = 0, coarse_norm2 = 0;
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    const float value = rotated[i];
    const auto code = static_cast<unsigned>(std::clamp(value * inverse + kLevels + 0.5f, 0.0f, 255.0f));
    const unsigned shift = i < half() ? 0 : 4;
    high[i % half()] |= static_cast<std::uint8_t>(code >> 4 << shift);
    low[i % half()] |= static_cast<std::uint8_t>((code & 15) << shift);
    const double fine = static_cast<float>(code) - kLevels;
    const double coarse = static_cast<float>(code >> 4) - kCoarseOffset;
    norm2 += static_cast<double>(value) * value;
    magnitudes += std::abs(value);
    fine_product += fine * value;
    fine_norm2 += fine * fine;
    coarse_product += coarse * value;
    coarse_norm2 += coarse * coarse;
  }
  const std::size_t size = coordinates();
  const auto bit = estimate(norm2, magnitudes, static_cast<double>(size), size, kBitTangentLeast);
  const auto coarse = estimate(norm2, coarse_product, coarse_norm2, size, kCoarseTangentLeast);
  const auto fine = estimate(norm2, fine_product, fine_norm2, size, kFineTangentLeast);
  return {.bit_scale = bit.scale,
          .bit_error = bit.error,
          .coarse_scale = coarse.scale,
          .coarse_error = coarse.error,
          .fine_scale = fine.scale,
          .fine_error = fine.error};
}

CodeTerms CodeFrame::encode(std::span<const float> vector, std::span<float> rotated, std::uint8_t* high,
                            std::uint8_t* low) const {
  rotate(vector, rotated);
  CodeTerms terms = encode_rotated(rotated, high, low);
  double add = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    add += (static_cast<double>(vector[i]) - centroid_[i]) * centroid_[i];
  }
  terms.add = static_cast<float>(add);
  return terms;
}

void CodeFrame::decode_rotated(const std::uint8_t* high, const std::uint8_t* low, float scale,
                               std::span<float> rotated) const {
  for (std::size_t i = 0; i < half(); ++i) {
    rotated[i] = scale * (static_cast<float>((high[i] & 15) * 16 + (low[i] & 15)) - kLevels);
    rotated[half() + i] = scale * (static_cast<float>((high[i] >> 4) * 16 + (low[i] >> 4)) - kLevels);
  }
}

void CodeFrame::decode(const std::uint8_t* high, const std::uint8_t* low, float scale, std::span<float> vector) const {
  std::vector<float> rotated(coordinates());
  decode_rotated(high, low, scale, rotated);
  rotation_.revert(rotated);
  for (std::size_t i = 0; i < vector.size(); ++i) vector[i] = rotated[i] + centroid_[i];
}

QueryCode CodeFrame::prepare(std::span<const float> query, bool with_planes) const {
  QueryCode code;
  prepare(query, code, with_planes);
  return code;
}

void CodeFrame::prepare(std::span<const float> query, QueryCode& code, bool with_planes) const {
  thread_local std::vector<float> rotated;
  rotated.resize(coordinates());
  rotate(query, rotated);
  prepare_rotated(rotated, code, with_planes);
  code.base = best_vector_kernels().dot(query.data(), centroid_.data(), centroid_.size());
}

void CodeFrame::prepare_rotated(std::span<const float> rotated, QueryCode& query, bool with_planes) const {
  constexpr float kLargest = 128 * 127;
  const VectorKernels& kernels = best_vector_kernels();
  query.base = 0;
  if (query.coarse.size() != rotated.size()) {
    query.coarse = AlignedColumn<std::int8_t>(rotated.size());
    query.fine = AlignedColumn<std::int8_t>(rotated.size());
  }
  const float largest = largest_magnitude(rotated);
  query.coarse_step = largest / 127;
  const auto rounding =
      kernels.round_query(rotated.data(), rotated.size(), largest > 0 ? kLargest / largest : 0, query.coarse_step,
                          query.coarse.data(), query.fine.data());
  query.coarse_sum = rounding.coarse_sum;
  query.sum = rounding.sum;
  query.coarse_deviation = deviation(rounding.norm2, rounding.rounding2, kCoarseTangentLeast);
  query.fine_deviation = deviation(rounding.norm2, rounding.rounding2, kFineTangentLeast);
  if (!with_planes) return;
  query.planes.resize(kQueryPlanes * words());
  query.bit_step = largest / kPlaneWeights;
  const float rounding2 = kernels.round_planes(rotated.data(), rotated.size(), query.bit_step, query.planes.data());
  query.bit_deviation = deviation(rounding.norm2, rounding2, kBitTangentLeast);
}

void CodeFrame::save(SnapshotWriter& writer, std::string_view prefix) const {
  writer.column(std::string(prefix) + "seed", std::span<const std::uint64_t>(&seed_, 1));
  writer.column(std::string(prefix) + "centroid", std::span<const float>(centroid_));
}

Result<std::shared_ptr<const CodeFrame>> CodeFrame::load(const SnapshotReader& reader, std::string_view prefix,
                                                         std::size_t dimensions) {
  RAGTIME_TRY(const auto seed, reader.column<std::uint64_t>(std::string(prefix) + "seed"));
  RAGTIME_TRY(const auto centroid, reader.column<float>(std::string(prefix) + "centroid"));
  if (seed.size() != 1 || centroid.size() != dimensions) {
    return make_error(ErrorCode::corrupt, "The vector index's centroid does not fit its dimensions.");
  }
  // Queries less a centroid that is no number, or beyond all vectors, could not be rounded to integers.
  constexpr double kSquareMost = 1e24;
  double square = 0;
  for (const float value : centroid) square += double{value} * double{value};
  if (!(square <= kSquareMost)) return make_error(ErrorCode::corrupt, "The vector index's centroid is out of range.");
  return std::make_shared<const CodeFrame>(dimensions, seed[0], std::vector<float>(centroid.begin(), centroid.end()));
}

}  // namespace ragtime::index
