#include "encoder/kernels.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::encoder {
namespace {

// Around the widths of all vectors, and the model's own.
const std::vector<std::size_t> kSizes = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 384};

class KernelsTest : public testing::TestWithParam<const Kernels*> {
 protected:
  void SetUp() override {
    if (GetParam() == nullptr) GTEST_SKIP() << "not on this processor";
  }
  const Kernels& kernels() const { return *GetParam(); }

  std::vector<float> random_row(std::size_t size, float deviation = 1) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> row(size);
    for (float& value : row) value = normal(random_);
    return row;
  }

  std::mt19937 random_{17};
};

template <class F>
void expect_function(void (*kernel)(float*, std::size_t), F function, double tolerance) {
  for (std::size_t size : kSizes) {
    std::vector<float> row(size + 1, 77.f);
    for (std::size_t i = 0; i < size; ++i) {
      row[i] = size == 1 ? 0.3f : -12.f + 24.f * static_cast<float>(i) / static_cast<float>(size - 1);
    }
    const auto before = row;
    kernel(row.data(), size);
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_NEAR(row[i], function(static_cast<double>(before[i])), tolerance) << "of " << before[i];
    }
    EXPECT_EQ(row[size], 77.f) << "wrote behind the row";
  }
}

double gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

TEST_P(KernelsTest, Activations) {
  expect_function(kernels().gelu_erf, gelu, 2e-6);
  expect_function(kernels().gelu_erf_coarse, gelu, 1e-4);
  const auto tanh = [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  expect_function(kernels().gelu_tanh, tanh, 2e-6);
  expect_function(
      kernels().relu, [](double x) { return std::max(x, 0.0); }, 0);
}

TEST_P(KernelsTest, LayerNorm) {
  for (std::size_t size : kSizes) {
    auto row = random_row(size, 3);
    const auto before = row;
    const auto scale = random_row(size);
    const auto shift = random_row(size);
    kernels().layer_norm(row.data(), size, scale.data(), shift.data(), 1e-5f);
    const auto count = static_cast<double>(size);
    const double mean = std::accumulate(before.begin(), before.end(), 0.0) / count;
    double variance = 0;
    for (float v : before) variance += (v - mean) * (v - mean) / count;
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_NEAR(row[i], (before[i] - mean) / std::sqrt(variance + 1e-5) * scale[i] + shift[i], 2e-5);
    }
  }
}

TEST_P(KernelsTest, Bf16RoundsToTheNearestEven) {
  const std::vector<float> row = {1.f, 1.00390625f, 1.01171875f, -3.14159265f, 0.f, 1e-30f, 65504.f};
  std::vector<std::uint16_t> out(row.size() + 1, 7);
  kernels().to_bf16(row.data(), row.size(), out.data());
  const std::vector<std::uint16_t> expected = {0x3f80, 0x3f80, 0x3f82, 0xc049, 0x0000, 0x0da2, 0x4780, 7};
  EXPECT_EQ(out, expected);
  for (std::size_t size : kSizes) {
    const auto values = random_row(size);
    std::vector<std::uint16_t> shorts(size);
    kernels().to_bf16(values.data(), size, shorts.data());
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(shorts[i]) << 16;
      float back = 0;
      std::memcpy(&back, &bits, sizeof back);
      EXPECT_NEAR(back, values[i], std::abs(values[i]) / 256);
    }
  }
}

TEST_P(KernelsTest, QuantizedRowsMultiply) {
  for (std::size_t size : kSizes) {
    const auto row = random_row(size);
    std::vector<std::uint8_t> bytes(size + 1, 99);
    const RowScale scale = kernels().quantize(row.data(), size, bytes.data());
    EXPECT_EQ(bytes[size], 99);
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_NEAR(scale.scale * bytes[i] + scale.minimum, row[i], scale.scale * 0.501f);
    }
    // An output is Σ value · weight = Σ (scale · byte + minimum) · (column scale · weight byte), here of two bytes.
    std::vector<std::int32_t> sums(size);
    std::vector<float> column_scales = random_row(size);
    std::vector<float> column_sums(size);
    std::vector<float> bias = random_row(size);
    std::vector<float> expected;
    for (std::size_t o = 0; o < size; ++o) {
      const int weight = static_cast<int>(o) - 5;
      sums[o] = weight * bytes[0] + 3 * bytes[size - 1];
      column_sums[o] = static_cast<float>(weight + 3);
      const float first = scale.scale * bytes[0] + scale.minimum;
      const float last = scale.scale * bytes[size - 1] + scale.minimum;
      expected.push_back((first * static_cast<float>(weight) + last * 3) * column_scales[o] + bias[o]);
    }
    const ColumnScales columns{column_scales.data(), column_sums.data(), bias.data()};
    std::vector<float> out(size, 1000.f);
    kernels().dequantize(sums.data(), size, scale, columns, out.data());
    for (std::size_t o = 0; o < size; ++o) EXPECT_NEAR(out[o], expected[o], 2e-3) << o;
    kernels().dequantize_add(sums.data(), size, scale, columns, out.data());
    for (std::size_t o = 0; o < size; ++o) EXPECT_NEAR(out[o], 2 * expected[o], 4e-3) << o;
  }
}

TEST_P(KernelsTest, AConstantRowQuantizesToItself) {
  const std::vector<float> row(20, -2.5f);
  std::vector<std::uint8_t> bytes(20, 9);
  const RowScale scale = kernels().quantize(row.data(), row.size(), bytes.data());
  for (std::uint8_t byte : bytes) EXPECT_FLOAT_EQ(scale.scale * byte + scale.minimum, -2.5f);
}

TEST_P(KernelsTest, AttentionFollowsTheDefinition) {
  for (std::size_t width : {3, 4, 8, 32, 64}) {
    for (std::size_t length : {1, 2, 5, 16, 17, 50, 130, 259}) {
      const std::size_t stride = 3 * width + 1;
      auto rows = random_row(length * stride, 2);
      std::vector<float> out(length * (width + 2), 5.f);
      std::vector<float> scratch(attention_scratch_floats(length, width));
      const float* key = rows.data() + width;
      const float* value = key + width;
      kernels().attend({rows.data(), key, value, out.data(), stride, width + 2, length, width, scratch.data()});
      auto coarse = out;
      kernels().attend_coarse(
          {rows.data(), key, value, coarse.data(), stride, width + 2, length, width, scratch.data()});
      for (std::size_t i = 0; i < length; ++i) {
        std::vector<double> powers;
        for (std::size_t j = 0; j < length; ++j) {
          double dot = 0;
          for (std::size_t d = 0; d < width; ++d) dot += rows[i * stride + d] * key[j * stride + d];
          powers.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
        }
        const double total = std::accumulate(powers.begin(), powers.end(), 0.0);
        for (std::size_t d = 0; d < width; ++d) {
          double expected = 0;
          for (std::size_t j = 0; j < length; ++j) expected += powers[j] / total * value[j * stride + d];
          ASSERT_NEAR(out[i * (width + 2) + d], expected, 2e-5) << "width " << width << " length " << length;
          ASSERT_NEAR(coarse[i * (width + 2) + d], expected, 0.15) << "width " << width << " length " << length;
        }
        ASSERT_EQ(coarse[i * (width + 2) + width], 5.f) << "wrote behind the row";
        ASSERT_EQ(out[i * (width + 2) + width], 5.f) << "wrote behind the row";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelsTest,
                         testing::Values(&portable_kernels(), avx2_kernels(), avx512_kernels(), avx512_bf16_kernels()),
                         [](const auto& each) {
                           return each.param == nullptr ? "absent" + std::to_string(each.index)
                                                        : std::string(each.param->name);
                         });

}  // namespace
}  // namespace ragtime::encoder
