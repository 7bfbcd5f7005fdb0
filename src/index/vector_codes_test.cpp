#include "index/vector_codes.h"

#include <numeric>

#include <gtest/gtest.h>

#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

TEST(Rotation, KeepsInnerProductsAndReverts) {
  for (const std::size_t dimensions : {1u, 5u, 64u, 100u, 384u, 768u, 4096u}) {
    const Rotation rotation(dimensions, 7);
    EXPECT_EQ(rotation.padded_dimensions() % 64, 0u);
    const auto vectors = embedding_like(2, dimensions, 11);
    std::vector<float> a(vectors[0].begin(), vectors[0].end()), b(vectors[1].begin(), vectors[1].end());
    for (auto* values : {&a, &b}) {
      values->resize(rotation.padded_dimensions());
      rotation.apply(*values);
    }
    EXPECT_NEAR(dot(a, b), dot(vectors[0], vectors[1]), 1e-5);
    rotation.revert(a);
    for (std::size_t i = 0; i < dimensions; ++i) EXPECT_NEAR(a[i], vectors[0][i], 1e-5);
  }
}

TEST(Rotation, SpreadsASingleCoordinate) {
  const Rotation rotation(384, 3);
  for (const std::size_t hot : {0u, 130u, 383u}) {
    std::vector<float> rotated(384);
    rotated[hot] = 1;
    rotation.apply(rotated);
    for (const float value : rotated) EXPECT_LT(std::abs(value), 0.25f);
  }
}

TEST(Rotation, DependsOnTheSeed) {
  auto a = embedding_like(1, 64, 1).values, b = a, c = a;
  Rotation(64, 1).apply(a);
  Rotation(64, 1).apply(b);
  Rotation(64, 2).apply(c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

std::vector<ChunkId> first_ids(std::size_t count) {
  std::vector<ChunkId> ids(count);
  std::iota(ids.begin(), ids.end(), ChunkId{0});
  return ids;
}

class CodesTest : public testing::Test {
 protected:
  CodeTerms encode(std::span<const float> vector) {
    return frame_->encode(vector, rotated_, high_.data(), low_.data());
  }

  TestVectors vectors_ = embedding_like(500, 384, 17);
  std::vector<ChunkId> ids_ = first_ids(500);
  MemoryRows rows_{384, ids_, vectors_.values};
  std::shared_ptr<const CodeFrame> frame_ = CodeFrame::fit(rows_, {.seed = 5});
  std::vector<std::uint8_t> high_ = std::vector<std::uint8_t>(frame_->half());
  std::vector<std::uint8_t> low_ = std::vector<std::uint8_t>(frame_->half());
  std::vector<float> rotated_ = std::vector<float>(frame_->coordinates());
};

// Mean and deviation of errors in units of the deviation that the code claims.
struct ErrorStatistics {
  double sum = 0, square_sum = 0, count = 0;
  void add(double error) {
    sum += error;
    square_sum += error * error;
    ++count;
  }
  double mean() const { return sum / count; }
  double deviation() const { return std::sqrt(square_sum / count); }
};

TEST_F(CodesTest, EstimatesAreUnbiasedAndErrAsTheyClaim) {
  const VectorKernels& kernels = best_vector_kernels();
  ErrorStatistics bit, coarse, fine;
  for (std::size_t q = 0; q < 20; ++q) {
    const auto query = frame_->prepare(vectors_[q]);
    for (std::size_t i = 20; i < 500; ++i) {
      const auto terms = encode(vectors_[i]);
      const double exact = dot(vectors_[q], vectors_[i]);
      std::vector<std::uint64_t> block(frame_->words() * kBitBlock);
      for (std::size_t d = 0; d < 384; ++d) {
        block[d / 64 * kBitBlock] |= std::uint64_t{rotated_[d] >= 0 ? 1u : 0u} << d % 64;
      }
      std::int32_t distances[kBitBlock];
      kernels.bit_distances(block.data(), 1, query.planes.data(), frame_->words(), distances);
      const double by_bits = query.bit_step * (15 * 384 - 2 * distances[0]) * terms.bit_scale;
      bit.add((query.base + terms.add + by_bits - exact) / (query.bit_deviation * terms.bit_error));
      const auto product = kernels.dot_nibbles(high_.data(), query.coarse.data(), frame_->half());
      const double by_nibbles = query.coarse_step * (product - 7.5 * static_cast<double>(query.coarse_sum));
      coarse.add((query.base + terms.add + by_nibbles * terms.coarse_scale - exact) /
                 (query.coarse_deviation * terms.coarse_error));
      const float score =
          fine_score(kernels, query, high_.data(), low_.data(), frame_->half(), terms.fine_scale, terms.add);
      fine.add(score - exact);
    }
  }
  EXPECT_NEAR(bit.mean(), 0, 0.1);
  EXPECT_GT(bit.deviation(), 0.5);
  EXPECT_LT(bit.deviation(), 1.2);
  EXPECT_NEAR(coarse.mean(), 0, 0.1);
  EXPECT_GT(coarse.deviation(), 0.5);
  EXPECT_LT(coarse.deviation(), 1.2);
  EXPECT_LT(fine.deviation(), 0.001);
}

TEST_F(CodesTest, DecodingAndEncodingAgainGivesTheSameCode) {
  std::vector<float> decoded(384);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto terms = encode(vectors_[i]);
    const auto high = high_;
    const auto low = low_;
    frame_->decode(high_.data(), low_.data(), terms.fine_scale, decoded);
    EXPECT_GT(dot(decoded, vectors_[i]) / std::sqrt(dot(decoded, decoded)), 0.9999);
    encode(decoded);
    EXPECT_EQ(high_, high);
    EXPECT_EQ(low_, low);
  }
}

TEST_F(CodesTest, AVectorAtTheCentroidScoresAsIt) {
  std::vector<float> centroid(384);
  for (std::size_t i = 0; i < vectors_.values.size(); ++i) centroid[i % 384] += vectors_.values[i] / 500;
  const CodeFrame frame(384, 1, centroid);
  const auto terms = frame.encode(centroid, rotated_, high_.data(), low_.data());
  const auto query = frame.prepare(vectors_[0]);
  EXPECT_NEAR(
      fine_score(best_vector_kernels(), query, high_.data(), low_.data(), frame.half(), terms.fine_scale, terms.add),
      dot(centroid, vectors_[0]), 1e-5);
}

}  // namespace
}  // namespace ragtime::index
