#include "index/postings_kernels.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>

namespace ragtime::index {
namespace {

using Block = std::array<std::uint32_t, kPostingsBlock>;

class EachPostingsKernels : public testing::TestWithParam<const PostingsKernels*> {
 protected:
  void SetUp() override {
    if (GetParam() == nullptr) GTEST_SKIP() << "not on this processor";
  }

  const PostingsKernels& kernels() const { return *GetParam(); }
  const PostingsKernels& portable() const { return portable_postings_kernels(); }

  unsigned seed_ = std::random_device{}();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
};

TEST_P(EachPostingsKernels, UnpacksWhatWasPacked) {
  for (unsigned bits = 0; bits <= 32; bits = bits == kPackedBitsMax ? 32 : bits + 1) {
    Block values;
    for (auto& value : values) value = static_cast<std::uint32_t>(random_() & ((std::uint64_t{1} << bits) - 1));
    std::vector<std::uint8_t> packed(bits * kPostingsBlock / 8 + kPackedPadding, 0xA5);
    pack_values(values.data(), bits, packed.data());
    Block unpacked;
    kernels().unpack(packed.data(), bits, unpacked.data());
    ASSERT_EQ(unpacked, values) << bits;
  }
}

TEST_P(EachPostingsKernels, SumsGaps) {
  for (const std::uint32_t before : {~std::uint32_t{0}, std::uint32_t{0}, std::uint32_t{123'456}}) {
    Block gaps;
    for (auto& gap : gaps) gap = random_() % 1'000;
    Block expected = gaps;
    kernels().sum_gaps(before, gaps.data());
    portable().sum_gaps(before, expected.data());
    EXPECT_EQ(gaps, expected);
    EXPECT_EQ(expected[0], before + 1 + (expected[0] - before - 1));
  }
}

TEST_P(EachPostingsKernels, ScoresAreTheSameBits) {
  std::vector<std::uint32_t> lengths(5'000);
  for (auto& length : lengths) length = random_() % 7 == 0 ? random_() : random_() % 500;
  std::vector<float> frequencies(40);
  for (auto& frequency : frequencies) frequency = static_cast<float>(1 + random_() % 100) / 4;
  const PostingScore by{frequencies.data(), lengths.data(), 7.25f, 0.54f, 0.0031f};
  for (const std::size_t codes_max : {2, 16, 40}) {
    Block ordinals;
    Block codes;
    for (auto& ordinal : ordinals) ordinal = static_cast<std::uint32_t>(random_() % lengths.size());
    for (auto& code : codes) code = static_cast<std::uint32_t>(random_() % codes_max);
    for (const std::size_t count : {0, 1, 15, 16, 17, 100, 128}) {
      std::array<float, kPostingsBlock> scores{};
      std::array<float, kPostingsBlock> expected{};
      kernels().score(ordinals.data(), codes.data(), count, by, scores.data());
      portable().score(ordinals.data(), codes.data(), count, by, expected.data());
      ASSERT_EQ(scores, expected);
    }
  }
}

TEST_P(EachPostingsKernels, AccumulatesAndCollects) {
  std::vector<float> window(777, 0.5f);
  std::vector<float> expected = window;
  std::set<std::uint32_t> distinct;
  while (distinct.size() < 101) distinct.insert(9'000 + static_cast<std::uint32_t>(random_() % window.size()));
  const std::vector<std::uint32_t> ordinals(distinct.begin(), distinct.end());
  std::vector<float> scores(ordinals.size());
  for (auto& score : scores) score = static_cast<float>(random_() % 1'000) / 1'000;
  kernels().accumulate(ordinals.data(), scores.data(), scores.size(), 9'000, window.data());
  for (std::size_t i = 0; i < scores.size(); ++i) expected[ordinals[i] - 9'000] += scores[i];
  EXPECT_EQ(window, expected);
  std::vector<std::uint32_t> above;
  for (std::uint32_t i = 0; i < window.size(); ++i) {
    if (window[i] >= 0.9f) above.push_back(i);
  }
  std::vector<std::uint32_t> positions(window.size() + 16);
  positions.resize(kernels().collect(window.data(), window.size(), 0.9f, positions.data()));
  EXPECT_EQ(positions, above);
}

TEST_P(EachPostingsKernels, CountsBelow) {
  Block ordinals;
  for (auto& ordinal : ordinals) ordinal = static_cast<std::uint32_t>(random_());
  std::sort(ordinals.begin(), ordinals.end());
  std::fill(ordinals.begin() + 120, ordinals.end(), ~std::uint32_t{0});
  EXPECT_EQ(kernels().count_below(ordinals.data(), 0), 0u);
  EXPECT_EQ(kernels().count_below(ordinals.data(), ~std::uint32_t{0}), 120u);
  for (std::size_t i = 0; i < 120; ++i) {
    EXPECT_EQ(kernels().count_below(ordinals.data(), ordinals[i]),
              portable().count_below(ordinals.data(), ordinals[i]));
    EXPECT_EQ(kernels().count_below(ordinals.data(), ordinals[i] + 1),
              portable().count_below(ordinals.data(), ordinals[i] + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(PostingsKernels, EachPostingsKernels,
                         testing::Values(&portable_postings_kernels(), avx2_postings_kernels(),
                                         avx512_postings_kernels()));

}  // namespace
}  // namespace ragtime::index
