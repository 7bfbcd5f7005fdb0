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
  for (const std::size_t codes_max : {2, 15, 39}) {
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

// Chunks of a window from ordinal 9,000 on, and postings in it.
class EachPostingsKernelsInAWindow : public EachPostingsKernels {
 protected:
  static constexpr std::uint32_t kFirst = 9'000;
  static constexpr std::size_t kSize = 777;

  void SetUp() override {
    EachPostingsKernels::SetUp();
    for (auto& length : lengths_) length = random_() % 500;
    for (std::size_t i = 1; i < frequencies_.size(); ++i) frequencies_[i] = static_cast<float>(1 + random_() % 100) / 4;
    for (auto& score : window_) score = static_cast<float>(random_() % 1'000) / 1'000;
    std::set<std::uint32_t> distinct;
    while (distinct.size() < 101) distinct.insert(kFirst + static_cast<std::uint32_t>(random_() % kSize));
    std::copy(distinct.begin(), distinct.end(), ordinals_.begin());
    std::fill(ordinals_.begin() + 101, ordinals_.end(), ~std::uint32_t{0});
    for (auto& code : codes_) code = static_cast<std::uint32_t>(random_() % (frequencies_.size() - 1));
    for (std::size_t i = 0; i < 101; ++i) column_[ordinals_[i] - kFirst] = static_cast<std::uint8_t>(codes_[i] + 1);
  }

  PostingScore by() const { return {frequencies_.data(), lengths_.data(), 7.25f, 0.54f, 0.0031f}; }
  PostingScore by_window() const {
    PostingScore by = this->by();
    by.lengths += kFirst;
    return by;
  }

  std::vector<std::uint32_t> lengths_ = std::vector<std::uint32_t>(kFirst + kSize + 16);
  std::vector<float> frequencies_ = std::vector<float>(40);
  std::vector<float> window_ = std::vector<float>(kSize);
  std::vector<std::uint8_t> column_ = std::vector<std::uint8_t>(kSize + 16);
  Block ordinals_{};
  Block codes_{};
};

TEST_P(EachPostingsKernelsInAWindow, AccumulatesPostingsAndColumns) {
  std::vector<float> expected = window_;
  portable().accumulate(ordinals_.data(), codes_.data(), 101, by(), kFirst, expected.data());
  EXPECT_NE(expected, window_);
  std::vector<float> by_column = window_;
  kernels().accumulate(ordinals_.data(), codes_.data(), 101, by(), kFirst, window_.data());
  EXPECT_EQ(window_, expected);
  kernels().accumulate_column(column_.data(), kSize, by_window(), by_column.data());
  EXPECT_EQ(by_column, expected);
}

TEST_P(EachPostingsKernelsInAWindow, Collects) {
  for (const float floor : {0.0f, 0.9f, 0.999f, 2.0f}) {
    std::vector<std::uint32_t> above;
    for (std::uint32_t i = 0; i < window_.size(); ++i) {
      if (window_[i] >= floor) above.push_back(i);
    }
    std::vector<std::uint32_t> positions(window_.size() + 16);
    positions.resize(kernels().collect(window_.data(), window_.size(), floor, positions.data()));
    EXPECT_EQ(positions, above) << floor;
  }
}

TEST_P(EachPostingsKernelsInAWindow, FindsAndTakesMarks) {
  std::vector<std::uint32_t> positions;
  for (std::uint32_t i = 0; i < kSize; i += 1 + random_() % 3) positions.push_back(i);
  std::vector<Mark> expected;
  for (const std::uint32_t position : positions) expected.push_back(column_[position]);
  std::vector<Mark> taken(positions.size());
  kernels().take_marks(column_.data(), positions.data(), positions.size(), taken.data());
  EXPECT_EQ(taken, expected);
  std::vector<Mark> found(positions.size());
  kernels().find_marks(ordinals_.data(), codes_.data(), positions.data(), positions.size(), kFirst, found.data());
  EXPECT_EQ(found, expected);
}

TEST_P(EachPostingsKernelsInAWindow, LoadsAndCompletesCandidates) {
  struct Columns {
    std::vector<std::uint32_t> positions;
    std::vector<float> scores;
    std::vector<float> norms;
    Candidates view() { return {positions.data(), scores.data(), norms.data()}; }
  };
  for (const std::size_t count : {0, 1, 16, 100}) {
    std::vector<std::uint32_t> positions(ordinals_.begin(), ordinals_.begin() + 101);
    for (auto& position : positions) position -= kFirst;
    positions.resize(117);
    Columns ours{positions, std::vector<float>(117), std::vector<float>(117)};
    Columns expected = ours;
    kernels().load(count, by_window(), window_.data(), ours.view());
    portable().load(count, by_window(), window_.data(), expected.view());
    std::vector<Mark> marks(count);
    for (auto& mark : marks) mark = static_cast<Mark>(random_() % frequencies_.size());
    const std::size_t kept = kernels().complete(marks.data(), count, by(), 6.0f, ours.view());
    ASSERT_EQ(kept, portable().complete(marks.data(), count, by(), 6.0f, expected.view()));
    for (Columns* columns : {&ours, &expected}) {
      columns->positions.resize(kept);
      columns->scores.resize(kept);
      columns->norms.resize(kept);
    }
    EXPECT_EQ(ours.positions, expected.positions);
    EXPECT_EQ(ours.scores, expected.scores);
    EXPECT_EQ(ours.norms, expected.norms);
    for (const float score : ours.scores) EXPECT_GE(score, 6.0f);
  }
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

const auto all_kernels =
    testing::Values(&portable_postings_kernels(), avx2_postings_kernels(), avx512_postings_kernels());
INSTANTIATE_TEST_SUITE_P(PostingsKernels, EachPostingsKernels, all_kernels);
INSTANTIATE_TEST_SUITE_P(PostingsKernels, EachPostingsKernelsInAWindow, all_kernels);

}  // namespace
}  // namespace ragtime::index
