#include "index/vector_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
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
    const std::uint8_t* list[6] = {high.data(), high.data() + half, high.data() + 2 * half,
                                   high.data(), high.data() + half, high.data() + 2 * half};
    std::vector<std::int32_t> twice(6);
    kernels().dot_nibble_list(list, 6, coarse.data(), half, twice.data());
    for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(twice[i], expected[i % 3]);
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

TEST_P(VectorKernelsTest, BitBoundsOfSingleCodes) {
  for (const std::size_t words : {1u, 6u, 8u, 13u, 64u}) {
    const auto planes = bits<std::uint64_t>(kQueryPlanes * words);
    const std::size_t stride = words + 2;  // Two floats fill a word.
    auto heads = bits<std::uint64_t>(7 * stride);
    std::vector<const std::uint8_t*> list;
    std::vector<float> expected(7), found(8, -1.0f);
    for (std::size_t v = 0; v < 7; ++v) {
      const float factors[2] = {0.5f * static_cast<float>(v), 1.0f - static_cast<float>(v)};
      std::memcpy(heads.data() + v * stride + words, factors, sizeof factors);
      list.push_back(reinterpret_cast<const std::uint8_t*>(heads.data() + v * stride));
      int sum = 0;
      for (std::size_t i = 0; i < kQueryPlanes * words; ++i) {
        sum += __builtin_popcountll(heads[v * stride + i % words] ^ planes[i]) << i / words;
      }
      expected[v] = 1.5f + factors[0] + factors[1] * (2.0f + 3.0f + 0.25f * static_cast<float>(sum));
    }
    for (const std::size_t count : {1u, 3u, 4u, 7u}) {
      kernels().bit_bounds(list.data(), count, planes.data(), words, {1.5f, 2.0f, 0.25f, 3.0f}, found.data());
      for (std::size_t v = 0; v < count; ++v) EXPECT_NEAR(found[v], expected[v], 1e-5 * std::abs(expected[v]) + 1e-5);
      EXPECT_EQ(found[7], -1.0f);
    }
  }
}

TEST_P(VectorKernelsTest, RoundsQueries) {
  for (const std::size_t size : {64u, 384u, 832u}) {
    const auto values = floats(size);
    const float largest = kernels().largest_magnitude(values.data(), size);
    const float step = largest / 127;
    std::vector<std::int8_t> coarse(size), fine(size);
    const auto rounding = kernels().round_query(values.data(), size, 128 / step, step, coarse.data(), fine.data());
    std::int32_t coarse_sum = 0, sum = 0;
    double norm2 = 0, rounding2 = 0;
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_NEAR(step / 128 * static_cast<float>(128 * coarse[i] + fine[i]), values[i], step / 128 * 0.51f);
      EXPECT_NEAR(step * coarse[i], values[i], step * 0.51f);
      coarse_sum += coarse[i];
      sum += 128 * coarse[i] + fine[i];
      norm2 += static_cast<double>(values[i]) * values[i];
      rounding2 += std::pow(static_cast<double>(values[i]) - static_cast<double>(step) * coarse[i], 2);
    }
    EXPECT_EQ(rounding.coarse_sum, coarse_sum);
    EXPECT_EQ(rounding.sum, sum);
    EXPECT_NEAR(rounding.norm2, norm2, 1e-4 * norm2);
    EXPECT_NEAR(rounding.rounding2, rounding2, 1e-3 * rounding2);
  }
  const std::vector<float> zeros(64);
  std::vector<std::int8_t> coarse(64, 1), fine(64, 1);
  EXPECT_EQ(kernels().round_query(zeros.data(), 64, 0, 0, coarse.data(), fine.data()).sum, 0);
  const std::vector<float> nothing(64, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(kernels().round_query(nothing.data(), 64, 1, 1, coarse.data(), fine.data()).sum, 0);
  EXPECT_EQ(coarse, std::vector<std::int8_t>(64));
  EXPECT_EQ(fine, std::vector<std::int8_t>(64));
}

TEST_P(VectorKernelsTest, RoundsQueriesToPlanes) {
  for (const std::size_t size : {64u, 384u}) {
    const auto values = floats(size);
    const float step = kernels().largest_magnitude(values.data(), size) / 15;
    std::vector<std::uint64_t> planes(kQueryPlanes * size / 64, ~std::uint64_t{0});
    const float rounding2 = kernels().round_planes(values.data(), size, step, planes.data());
    double expected2 = 0;
    for (std::size_t i = 0; i < size; ++i) {
      int number = 0;
      for (std::size_t p = 0; p < kQueryPlanes; ++p) {
        number += (planes[p * size / 64 + i / 64] >> i % 64 & 1) != 0 ? 1 << p : -(1 << p);
      }
      EXPECT_NEAR(step * static_cast<float>(number), values[i], step * 1.01f);
      expected2 += std::pow(static_cast<double>(values[i]) - static_cast<double>(step) * number, 2);
    }
    EXPECT_NEAR(rounding2, expected2, 1e-3 * expected2);
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

TEST_P(VectorKernelsTest, InsertsAmongDescendingValues) {
  for (const std::size_t capacity : {1u, 2u, 7u, 8u, 10u, 16u, 17u, 32u, 33u, 64u, 65u, 128u, 129u, 200u}) {
    std::vector<std::uint64_t> values(capacity + kInsertRoom, ~std::uint64_t{0}), all;
    std::size_t size = 0;
    for (const std::size_t count : {3u, 0u, 1u, 40u, 7u, 200u, 5u}) {
      const auto added = bits<std::uint64_t>(count);
      all.insert(all.end(), added.begin(), added.end());
      std::sort(all.begin(), all.end(), std::greater<>());
      size = kernels().insert_descending(values.data(), size, capacity, added.data(), count);
      ASSERT_EQ(size, std::min(capacity, all.size()));
      for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(values[i], all[i]) << capacity << ' ' << i;
    }
  }
}

TEST_P(VectorKernelsTest, PacksAndCountsBits) {
  const auto masks = bits<std::uint64_t>(40);
  const auto selected = bits<std::uint64_t>(40);
  std::vector<IdWord> words;
  std::vector<bool> expected;
  for (std::uint32_t word = 0; word < 40; ++word) {
    const std::uint64_t ids = word % 3 == 0 ? ~std::uint64_t{0} : word % 3 == 1 ? masks[word] : masks[word] & 0xff;
    words.push_back({ids, word + 100, static_cast<std::uint32_t>(expected.size())});
    for (int bit = 0; bit < 64; ++bit) {
      if (ids >> bit & 1) expected.push_back(selected[word] >> bit & 1);
    }
  }
  std::vector<std::uint64_t> packed(expected.size() / 64 + 2);
  // In two parts, as blocks of a selection are.
  kernels().pack_bits(words.data(), 17, selected.data(), 100, packed.data());
  kernels().pack_bits(words.data() + 17, 23, selected.data(), 100, packed.data());
  std::size_t count = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(packed[i / 64] >> i % 64 & 1, expected[i] ? 1u : 0u) << i;
    count += expected[i] ? 1 : 0;
  }
  EXPECT_EQ(kernels().count_bits(packed.data(), packed.size()), count);
}

TEST_P(VectorKernelsTest, SelectsBits) {
  for (const std::size_t count : {0u, 1u, 15u, 16u, 27u, 100u}) {
    const auto set = bits<std::uint64_t>(8);
    std::vector<std::uint32_t> numbers, expected, expected_places;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t number = i * 117 % 512;
      numbers.push_back(number);
      if ((set[number / 64] >> number % 64 & 1) == 0) continue;
      expected.push_back(number);
      expected_places.push_back(i);
    }
    std::vector<std::uint32_t> selected(count + 16);
    selected.resize(kernels().select_bits(set.data(), numbers.data(), count, selected.data()));
    EXPECT_EQ(selected, expected);
    selected.resize(count + 16);
    selected.resize(kernels().select_places(set.data(), numbers.data(), count, selected.data()));
    EXPECT_EQ(selected, expected_places);
  }
}

TEST_P(VectorKernelsTest, Multiplies) {
  for (const std::size_t size : {0u, 1u, 17u, 100u}) {
    const auto before = floats(size);
    const auto factors = floats(size);
    auto after = before;
    kernels().multiply(after.data(), factors.data(), size);
    for (std::size_t i = 0; i < size; ++i) EXPECT_FLOAT_EQ(after[i], before[i] * factors[i]);
  }
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
  for (const std::size_t size : {64u, 128u, 256u, 512u, 1024u}) {
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
