#include "index/product_kernels.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

constexpr std::uint32_t kSeed = 3;

std::vector<const ProductKernels*> all_kernels() {
  std::vector<const ProductKernels*> all{&portable_product_kernels()};
  for (const ProductKernels* kernels : {avx2_product_kernels(), avx512_product_kernels()}) {
    if (kernels != nullptr) all.push_back(kernels);
  }
  return all;
}

std::vector<float> random_floats(std::size_t size, std::mt19937& random) {
  std::vector<float> values(size);
  for (float& value : values) value = std::normal_distribution<float>()(random);
  return values;
}

TEST(ProductKernels, PanelProductsAreInnerProducts) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const ProductKernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    for (const std::size_t size : {1, 4, 7, 64, 129}) {
      for (const std::size_t count : {1, 7, 8, 19}) {
        const auto rows = random_floats(count * size, random);
        const auto panel = random_floats(size * kPanelWidth, random);
        std::vector<float> out(count * kPanelWidth);
        kernels->panel_products(rows.data(), count, size, panel.data(), out.data());
        for (std::size_t i = 0; i < out.size(); ++i) {
          double expected = 0;
          for (std::size_t d = 0; d < size; ++d) {
            expected +=
                static_cast<double>(rows[i / kPanelWidth * size + d]) * panel[d * kPanelWidth + i % kPanelWidth];
          }
          ASSERT_NEAR(out[i], expected, 1e-4) << size << " " << count << " " << i;
        }
      }
    }
  }
}

TEST(ProductKernels, FindTheNearestCodeword) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const ProductKernels* kernels : all_kernels()) {
    SCOPED_TRACE(kernels->name);
    for (int round = 0; round < 200; ++round) {
      const auto vector = random_floats(4, random);
      const auto book = random_floats(4 * kCodewords, random);
      const auto distance2 = [&](std::size_t c) {
        double sum = 0;
        for (std::size_t i = 0; i < 4; ++i) sum += std::pow(vector[i] - book[i * kCodewords + c], 2);
        return sum;
      };
      const std::size_t nearest = kernels->nearest_codeword(vector.data(), 4, book.data());
      for (std::size_t c = 0; c < kCodewords; ++c) EXPECT_LE(distance2(nearest), distance2(c) + 1e-5);
    }
  }
}

// 130 and 300 pairs take more than one pass of 16-bit sums; the last table has only its largest entry.
TEST(ProductKernels, TableSumsAreExact) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const std::size_t pairs : {1, 2, 3, 48, 129, 130, 300}) {
    for (const std::size_t blocks : {1, 2, 5}) {
      for (const bool full : {false, true}) {
        std::vector<std::uint8_t> codes(blocks * pairs * kCodeBlock);
        for (auto& code : codes) code = static_cast<std::uint8_t>(random());
        std::vector<std::uint8_t> table(pairs * 2 * kCodewords, 255);
        for (auto& entry : table) entry = full ? 255 : static_cast<std::uint8_t>(random());
        std::vector<std::int32_t> expected(blocks * kCodeBlock);
        for (std::size_t v = 0; v < expected.size(); ++v) {
          for (std::size_t p = 0; p < pairs; ++p) {
            const unsigned byte = codes[(v / kCodeBlock * pairs + p) * kCodeBlock + v % kCodeBlock];
            expected[v] += table[2 * p * kCodewords + byte % 16] + table[(2 * p + 1) * kCodewords + byte / 16];
          }
        }
        for (std::size_t v = 0; v < expected.size(); ++v) {
          const std::uint8_t* first = codes.data() + v / kCodeBlock * pairs * kCodeBlock + v % kCodeBlock;
          EXPECT_EQ(table_sum(first, pairs, table.data()), expected[v]) << pairs << " pairs, vector " << v;
        }
        for (const ProductKernels* kernels : all_kernels()) {
          std::vector<std::int32_t> out(expected.size(), -1);
          kernels->table_sums(codes.data(), blocks, pairs, table.data(), out.data());
          EXPECT_EQ(out, expected) << kernels->name << " " << pairs << " pairs, " << blocks << " blocks";
        }
      }
    }
  }
}

}  // namespace
}  // namespace ragtime::index
