#include "index/hnsw_graph.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "index/vector_test_data.h"

namespace ragtime::index {
namespace {

constexpr std::size_t kDimensions = 64;

// A chain in which each node links to the one before and the one behind.
class WalkTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kNodes = 12;

  void SetUp() override {
    std::vector<float> rotated(frame_.coordinates());
    for (std::uint32_t i = 0; i < kNodes; ++i) {
      nodes_.encode(i, frame_, vectors_[i], rotated);
      std::uint32_t* links = nodes_.links(i);
      if (i > 0) links[++links[0]] = i - 1;
      if (i + 1 < kNodes) links[++links[0]] = i + 1;
    }
  }

  std::vector<std::uint32_t> reached(std::uint32_t from, std::optional<std::size_t> absent = std::nullopt) {
    walk_.run(nodes_, nodes_.layer(), frame_.prepare(vectors_[from]), kNodes, std::vector{from}, absent);
    std::vector<std::uint32_t> nodes;
    for (std::size_t i = 0; i < walk_.pool().size(); ++i) nodes.push_back(walk_.pool()[i].node);
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }

  TestVectors vectors_ = embedding_like(kNodes, kDimensions, 3);
  CodeFrame frame_{kDimensions, 1, std::vector<float>(kDimensions)};
  HnswNodes nodes_{kNodes, frame_.half()};
  Walk walk_;
};

TEST_F(WalkTest, FollowsLinksAsFarAsThereIsRoom) {
  const auto nodes = reached(0);
  EXPECT_EQ(nodes.size(), kNodes);
  EXPECT_EQ(reached(kNodes - 1), nodes);
}

TEST_F(WalkTest, ScansForTheBest) {
  walk_.scan(nodes_, nodes_.layer(), frame_.prepare(vectors_[7]), 3);
  ASSERT_EQ(walk_.pool().size(), 3u);
  EXPECT_EQ(walk_.pool()[0].node, 7u);
  EXPECT_GE(walk_.pool()[1].score, walk_.pool()[2].score);
}

TEST_F(WalkTest, DoesNotPassThroughWhatIsToBeAbsent) {
  EXPECT_EQ(reached(0, 4), (std::vector<std::uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(reached(kNodes - 1, 8), (std::vector<std::uint32_t>{9, 10, 11}));
  EXPECT_TRUE(reached(5, 5).empty());
  EXPECT_EQ(reached(5).size(), kNodes);
}

}  // namespace
}  // namespace ragtime::index
