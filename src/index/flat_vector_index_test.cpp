#include "index/flat_vector_index.h"

#include <algorithm>
#include <map>
#include <random>

#include <gmock/gmock.h>

namespace ragtime::index {
namespace {

using testing::ElementsAre;

std::vector<ChunkId> ids_of(const std::vector<Hit>& hits) {
  std::vector<ChunkId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

double plain_inner_product(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

std::vector<float> random_unit_vector(std::mt19937& random, std::size_t dimensions) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimensions);
  for (float& value : vector) value = normal(random);
  const auto length = static_cast<float>(std::sqrt(plain_inner_product(vector, vector)));
  for (float& value : vector) value /= length;
  return vector;
}

TEST(FlatVectorIndex, BestFirstAndTiesByLowerId) {
  FlatVectorIndex index(2);
  index.add(7, std::vector<float>{1, 0});
  index.add(3, std::vector<float>{1, 0});
  index.add(5, std::vector<float>{0, 1});
  index.add(4, std::vector<float>{-1, 0});
  const std::vector<float> query{1, 0};
  EXPECT_THAT(ids_of(index.search(query, 10, {})), ElementsAre(3, 7, 5, 4));
  EXPECT_THAT(ids_of(index.search(query, 2, {})), ElementsAre(3, 7));
  EXPECT_TRUE(index.search(query, 0, {}).empty());
  EXPECT_FLOAT_EQ(index.search(query, 1, {})[0].score, 1);
}

TEST(FlatVectorIndex, AnEmptyIndexFindsNothing) {
  const FlatVectorIndex index(3);
  EXPECT_TRUE(index.search(std::vector<float>{1, 0, 0}, 5, {}).empty());
  EXPECT_EQ(index.size(), 0u);
  EXPECT_EQ(index.dimensions(), 3u);
}

TEST(FlatVectorIndex, AcceptDecides) {
  FlatVectorIndex index(1);
  for (ChunkId id = 0; id < 10; ++id) index.add(id, std::vector<float>{static_cast<float>(id)});
  const Accept is_even = [](ChunkId id) { return id % 2 == 0; };
  EXPECT_THAT(ids_of(index.search(std::vector<float>{1}, 3, is_even)), ElementsAre(8, 6, 4));
}

TEST(FlatVectorIndex, ScoresOfGivenChunks) {
  FlatVectorIndex index(2);
  index.add(1, std::vector<float>{0.6f, 0.8f});
  index.add(2, std::vector<float>{0, 1});
  EXPECT_THAT(index.scores(std::vector<float>{1, 0}, {2, 99, 1}), ElementsAre(0, 0, testing::FloatEq(0.6f)));
}

TEST(FlatVectorIndex, AgreesWithPlainSearchUnderChurn) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const std::size_t dimensions : {1u, 31u, 64u, 387u}) {
    FlatVectorIndex index(dimensions);
    std::map<ChunkId, std::vector<float>> model;
    for (int step = 0; step < 600; ++step) {
      const ChunkId id = static_cast<ChunkId>(random() % 100);
      if (model.erase(id) > 0 || random() % 4 == 0) {
        index.remove(id);
      } else {
        model[id] = random_unit_vector(random, dimensions);
        index.add(id, model[id]);
      }
    }
    ASSERT_EQ(index.size(), model.size());
    const auto query = random_unit_vector(random, dimensions);
    const auto hits = index.search(query, model.size(), {});
    ASSERT_EQ(hits.size(), model.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
      EXPECT_NEAR(hits[i].score, plain_inner_product(query, model.at(hits[i].id)), 1e-5);
      EXPECT_GE(hits[i == 0 ? 0 : i - 1].score, hits[i].score);
    }
  }
}

TEST(FlatVectorIndexDeathTest, WrongSizesAndDoubleIdsAreDefects) {
  FlatVectorIndex index(2);
  index.add(1, std::vector<float>{1, 0});
  EXPECT_DEATH(index.add(2, std::vector<float>{1}), "");
  EXPECT_DEATH(index.add(1, std::vector<float>{1, 0}), "");
  EXPECT_DEATH(index.search(std::vector<float>{1}, 1, {}), "");
}

}  // namespace
}  // namespace ragtime::index
