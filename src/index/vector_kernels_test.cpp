#include "index/vector_kernels.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

std::vector<const VectorKernels*> present_kernels() {
  std::vector<const VectorKernels*> all{&portable_vector_kernels()};
  for (const auto* kernels : {avx2_vector_kernels(), avx512_vector_kernels(), avx512_vnni_vector_kernels()}) {
    if (kernels != nullptr) all.push_back(kernels);
  }
  return all;
}

class VectorKernelsTest : public testing::TestWithParam<const VectorKernels*> {
 protected:
  const VectorKernels& kernels() const { return *GetParam(); }

  std::vector<float> floats(std::size_t size) {
    std::normal_distribution<float> normal;
    std::vector<float> values(size);
    for (float& value : values) value = normal(random_);
    return values;
  }
  template <class T>
  std::vector<T> bits(std::size_t size) {
    std::vector<T> values(size);
    for (T& value : values) value = static_cast<T>(random_());
    return values;
  }
  std::vector<std::int8_t> query(std::size_t size) {
    std::vector<std::int8_t> values(size);
    for (auto& value : values) value = static_cast<std::int8_t>(static_cast<int>(random_() % 255) - 127);
    return values;
  }

  std::mt19937_64 random_{20240607};
};

TEST_P(VectorKernelsTest, DotOfFloats) {
  for (const std::size_t size : {1u, 3u, 15u, 16u, 17u, 63u, 64u, 100u, 384u, 1027u, 4096u}) {
    const auto a = floats(size);
    const auto b = floats(size * 3);
    double expected[3] = {};
    for (std::size_t i = 0; i < 3 * size; ++i) expected[i / size] += static_cast<double>(a[i % size]) * b[i];
    EXPECT_NEAR(kernels().dot(a.data(), b.data(), size), expected[0], 1e-4) << size;
    float rows[3];
    kernels().dot_rows(a.data(), b.data(), 3, size, rows);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(rows[i], expected[i], 1e-4) << size;
  }
}

TEST_P(VectorKernelsTest, DotOfNibblesIsExact) {
  for (const std::size_t half : {32u, 64u, 96u, 192u, 512u, 2048u}) {
    const auto high = bits<std::uint8_t>(half * 3);
    const auto low = bits<std::uint8_t>(half);
    const auto coarse = query(2 * half);
    const auto fine = query(2 * half);
    std::vector<std::int32_t> expected(3);
    std::int64_t expected_fine = 0;
    for (std::size_t i = 0; i < 3 * half; ++i) {
      expected[i / half] += (high[i] & 15) * coarse[i % half] + (high[i] >> 4) * coarse[half + i % half];
    }
    for (std::size_t i = 0; i < half; ++i) {
      expected_fine += ((high[i] & 15) * 16 + (low[i] & 15)) * (128 * coarse[i] + fine[i]);
      expected_fine += ((high[i] >> 4) * 16 + (low[i] >> 4)) * (128 * coarse[half + i] + fine[half + i]);
    }
    EXPECT_EQ(kernels().dot_nibbles(high.data(), coarse.data(), half), expected[0]);
    std::vector<std::int32_t> sums(3);
    kernels().dot_nibble_rows(high.data(), half, 3, coarse.data(), half, sums.data());
    EXPECT_EQ(sums, expected);
    const std::uint8_t* list[3] = {high.data(), high.data() + half, high.data() + 2 * half};
    kernels().dot_nibble_list(list, 3, coarse.data(), half, sums.data());
    EXPECT_EQ(sums, expected);
    EXPECT_EQ(kernels().dot_fine(high.data(), low.data(), coarse.data(), fine.data(), half), expected_fine);
  }
}

TEST_P(VectorKernelsTest, DotOfNibblesAtTheExtremes) {
  constexpr std::size_t kHalf = 2048;
  const std::vector<std::uint8_t> codes(kHalf, 0xff);
  const std::vector<std::int8_t> query(2 * kHalf, -127);
  EXPECT_EQ(kernels().dot_nibbles(codes.data(), query.data(), kHalf), -127 * 15 * 2 * 2048);
}

TEST_P(VectorKernelsTest, BitDistancesAreExact) {
  for (const std::size_t words : {1u, 2u, 6u, 12u, 64u}) {
    const auto codes = bits<std::uint64_t>(3 * kBitBlock * words);
    const auto planes = bits<std::uint64_t>(kQueryPlanes * words);
    std::vector<std::int32_t> expected(3 * kBitBlock);
    for (std::size_t vector = 0; vector < expected.size(); ++vector) {
      for (std::size_t i = 0; i < 64 * words * kQueryPlanes; ++i) {
        const std::size_t word = i / 64 % words;
        const std::size_t plane = i / 64 / words;
        const auto code = codes[(vector / kBitBlock * words + word) * kBitBlock + vector % kBitBlock];
        expected[vector] += static_cast<std::int32_t>((code ^ planes[plane * words + word]) >> i % 64 & 1) << plane;
      }
    }
    std::vector<std::int32_t> distances(expected.size());
    kernels().bit_distances(codes.data(), 3, planes.data(), words, distances.data());
    EXPECT_EQ(distances, expected);
  }
}

TEST_P(VectorKernelsTest, UpperBounds) {
  const auto values = query(37);
  const std::vector<std::int32_t> numbers(values.begin(), values.end());
  const auto scale = floats(37), add = floats(37), error = floats(37);
  std::vector<float> upper(37);
  kernels().upper_bounds(numbers.data(), scale.data(), add.data(), error.data(), 37, {1.5f, 2.0f, 0.25f, 3.0f},
                         upper.data());
  for (std::size_t i = 0; i < 37; ++i) {
    const float product = 2.0f + 0.25f * static_cast<float>(numbers[i]);
    EXPECT_NEAR(upper[i], 1.5f + add[i] + scale[i] * product + 3.0f * error[i], 1e-4);
  }
}

TEST_P(VectorKernelsTest, CollectsWhatReachesTheFloor) {
  auto values = floats(101);
  values[40] = 0.5f;
  std::vector<std::uint32_t> expected;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0.5f) expected.push_back(static_cast<std::uint32_t>(i));
  }
  std::vector<std::uint32_t> positions(values.size() + 16);
  positions.resize(kernels().collect(values.data(), values.size(), 0.5f, positions.data()));
  EXPECT_EQ(positions, expected);
  EXPECT_EQ(kernels().collect(values.data(), values.size(), 100, positions.data()), 0u);
}

TEST_P(VectorKernelsTest, LargestMagnitude) {
  for (const std::size_t at : {0u, 5u, 63u, 64u, 99u}) {
    std::vector<float> values(100, 0.5f);
    values[at] = -3;
    EXPECT_EQ(kernels().largest_magnitude(values.data(), values.size()), 3.0f);
  }
  EXPECT_EQ(kernels().largest_magnitude(nullptr, 0), 0.0f);
}

TEST_P(VectorKernelsTest, HadamardIsTheWalshMatrix) {
  for (const std::size_t size : {64u, 256u}) {
    const auto before = floats(size);
    auto after = before;
    kernels().hadamard(after.data(), size);
    for (std::size_t i = 0; i < size; ++i) {
      double expected = 0;
      for (std::size_t j = 0; j < size; ++j) expected += __builtin_parityll(i & j) != 0 ? -before[j] : before[j];
      EXPECT_NEAR(after[i], expected / std::sqrt(static_cast<double>(size)), 1e-4);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, VectorKernelsTest, testing::ValuesIn(present_kernels()),
                         [](const auto& test) { return test.param->name; });

}  // namespace
}  // namespace ragtime::index
