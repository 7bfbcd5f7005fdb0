#include "index/bit_screen.h"

#include <random>

#include <gtest/gtest.h>

#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

class BitScreenTest : public testing::TestWithParam<std::size_t> {
 protected:
  static constexpr std::size_t kRows = 2'048;

  BitScreenTest() {
    for (std::size_t i = 0; i < kRows; ++i) spread_.widen(screen_.encode(vectors_[i], codes_, i));
  }

  std::vector<std::uint32_t> screened(const BitScreen::Query& query, float floor) const {
    std::vector<std::uint32_t> positions(kRows + 16);
    positions.resize(screen_.screen(codes_, kRows, query, floor, positions.data()));
    return positions;
  }
  float bound(const BitScreen::Query& query, std::size_t at) const {
    const std::uint8_t* whole = screen_.whole(codes_, at);
    float bound = 0;
    screen_.bound(std::span(&whole, 1), query, &bound);
    return bound;
  }
  float score(std::span<const float> query, std::size_t at) const {
    return best_vector_kernels().dot(query.data(), vectors_[at].data(), query.size());
  }

  const std::size_t dimensions_ = GetParam();
  const TestVectors vectors_ = embedding_like(kRows, dimensions_, 31);
  const TestVectors queries_ = embedding_like(50, dimensions_, 32);
  BitScreen screen_{dimensions_, 7};
  BitScreen::Codes codes_ = screen_.make_codes(kRows);
  BitScreen::Spread spread_;
};
INSTANTIATE_TEST_SUITE_P(Dimensions, BitScreenTest, testing::Values(128, 150, 384, 1'000));

TEST_P(BitScreenTest, HardlyAnyAtTheFloorIsMissed) {
  std::size_t missed_first = 0, missed_second = 0;
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    const auto query = screen_.prepare(queries_[q], spread_);
    for (std::size_t at = q; at < kRows; at += 40) {
      const float own = score(queries_[q], at);
      const auto passed = screened(query, own);
      missed_first += std::binary_search(passed.begin(), passed.end(), at) ? 0 : 1;
      missed_second += bound(query, at) < own ? 1 : 0;
    }
  }
  EXPECT_LT(missed_first, 50u) << "of some 2,600";
  EXPECT_LT(missed_second, 25u);
}

TEST_P(BitScreenTest, FewBelowTheFloorPass) {
  std::size_t passed_first = 0, passed_second = 0;
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    const float floor = exact_search(vectors_, queries_[q], 10).back().score;
    const auto query = screen_.prepare(queries_[q], spread_);
    const auto passed = screened(query, floor);
    passed_first += passed.size();
    for (const std::uint32_t at : passed) passed_second += bound(query, at) >= floor ? 1 : 0;
  }
  EXPECT_LT(passed_first, queries_.size() * kRows * 2 / 3);
  EXPECT_LT(passed_second, queries_.size() * kRows / 5);
  EXPECT_GE(passed_second, queries_.size() * 9);
}

TEST_P(BitScreenTest, ZerosScoreZero) {
  const std::vector<float> zero(dimensions_);
  spread_.widen(screen_.encode(zero, codes_, 3));
  const auto query = screen_.prepare(queries_[0], spread_);
  EXPECT_EQ(bound(query, 3), 0);
  const auto passed = screened(query, 0.0f);
  EXPECT_TRUE(std::binary_search(passed.begin(), passed.end(), 3u));
  EXPECT_EQ(screened(screen_.prepare(zero, spread_), 0.0f).size(), kRows);
}

TEST(BitScreenKernels, AllFindTheSame) {
  constexpr std::size_t kRows = 1'040;
  std::mt19937_64 random(5);
  for (const std::size_t words : {2u, 3u}) {
    std::vector<std::uint64_t> heads(kRows * words), planes(2 * words);
    for (auto& word : heads) word = random();
    for (auto& word : planes) word = random();
    // Powers of two, so that no order of operations rounds.
    std::vector<float> scales(kRows);
    for (auto& scale : scales) scale = random() % 2 == 0 ? 1.0f : 2.0f;
    const BoundTerms terms{.offset = static_cast<float>(96 * words), .factor = -1, .slack = 5};
    for (const float floor : {-1e9f, 0.0f, 20.0f, 1e9f}) {
      const BitScreenTask task{heads.data(), scales.data(), kRows, planes.data(), words, terms, floor};
      std::vector<std::vector<std::uint32_t>> found;
      for (const BitScreenKernel kernel : bit_screen_kernels()) {
        auto& positions = found.emplace_back(kRows + 16);
        positions.resize(kernel(task, positions.data()));
        EXPECT_EQ(positions, found.front());
      }
      EXPECT_EQ(found.front().size() == kRows, floor == -1e9f);
      EXPECT_EQ(found.front().empty(), floor == 1e9f);
    }
  }
}

}  // namespace
}  // namespace ragtime::index
