#include "index/product_quantizer.h"

#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "index/product_kernels.h"

namespace ragtime::index {
namespace {

constexpr std::uint32_t kSeed = 17;

std::vector<float> random_rows(std::size_t count, std::size_t dimensions, std::mt19937& random) {
  std::vector<float> rows(count * dimensions);
  for (float& value : rows) value = std::normal_distribution<float>()(random);
  return rows;
}

class ProductQuantizerTest : public testing::TestWithParam<std::size_t> {
 protected:
  std::size_t dimensions_ = GetParam();
  std::mt19937 random_{kSeed};
  std::vector<float> rows_ = random_rows(2000, dimensions_, random_);
  std::shared_ptr<const ProductQuantizer> quantizer_ = ProductQuantizer::train(rows_, dimensions_, kSeed);
};

INSTANTIATE_TEST_SUITE_P(Dimensions, ProductQuantizerTest, testing::Values(1, 4, 5, 8, 30, 129));

// Four bits for four values of a normal distribution leave about a third of the variance, for fewer values less.
TEST_P(ProductQuantizerTest, DecodedVectorsAreNear) {
  std::vector<std::uint8_t> codes(quantizer_->parts());
  std::vector<float> decoded(dimensions_);
  double error = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    const auto row = std::span<const float>(rows_).subspan(i * dimensions_, dimensions_);
    quantizer_->encode(row, codes);
    quantizer_->decode(codes, decoded);
    for (std::size_t d = 0; d < dimensions_; ++d) error += std::pow(row[d] - decoded[d], 2);
  }
  EXPECT_LT(error / static_cast<double>(rows_.size()), 0.36);
}

TEST_P(ProductQuantizerTest, CodingAgainChangesNothing) {
  std::vector<std::uint8_t> codes(quantizer_->parts());
  std::vector<std::uint8_t> again(quantizer_->parts());
  std::vector<float> decoded(dimensions_);
  for (std::size_t i = 0; i < 100; ++i) {
    quantizer_->encode(std::span<const float>(rows_).subspan(i * dimensions_, dimensions_), codes);
    quantizer_->decode(codes, decoded);
    quantizer_->encode(decoded, again);
    EXPECT_EQ(codes, again);
  }
}

TEST_P(ProductQuantizerTest, TablesGiveInnerProducts) {
  std::vector<std::uint8_t> codes(quantizer_->parts());
  std::vector<float> decoded(dimensions_);
  for (std::size_t i = 0; i < 100; ++i) {
    const auto query = std::span<const float>(rows_).subspan(i * dimensions_, dimensions_);
    const ProductTable table = quantizer_->table(query);
    quantizer_->encode(std::span<const float>(rows_).subspan((i + 1) * dimensions_, dimensions_), codes);
    quantizer_->decode(codes, decoded);
    int sum = 0;
    for (std::size_t m = 0; m < codes.size(); ++m) sum += table.entries[m * kCodewords + codes[m]];
    const double expected = std::inner_product(query.begin(), query.end(), decoded.begin(), 0.0);
    EXPECT_NEAR(table.offset + table.step * static_cast<float>(sum), expected, 5 * table.error + 1e-5);
    EXPECT_LT(table.error, 0.2 * std::sqrt(static_cast<double>(dimensions_)));
  }
}

TEST(ProductQuantizer, OneRowIsEnough) {
  const std::vector<float> row{1, 2, 3, 4, 5, 6};
  const auto quantizer = ProductQuantizer::train(row, 6, kSeed);
  std::vector<std::uint8_t> codes(quantizer->parts());
  std::vector<float> decoded(6);
  quantizer->encode(row, codes);
  quantizer->decode(codes, decoded);
  EXPECT_EQ(decoded, row);
  const std::vector<float> zeros(6);
  const ProductTable table = quantizer->table(zeros);
  EXPECT_EQ(table.offset, 0);
  EXPECT_EQ(table.step, 0);
}

}  // namespace
}  // namespace ragtime::index
