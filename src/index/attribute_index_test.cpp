#include "index/attribute_index.h"

#include <cstdio>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<AttributeIndex::Slot> slots_of(const Roaring& bitmap) {
  return {bitmap.begin(), bitmap.end()};
}

Filter comparison(FilterOp op, std::string key, std::vector<AttributeValue> values) {
  Filter filter;
  filter.op = op;
  filter.key = std::move(key);
  filter.values = std::move(values);
  return filter;
}

AttributeIndex index_of(const std::vector<Attributes>& documents, AttributeIndex::Slot stride = 1) {
  std::vector<AttributeIndex::Entry> entries;
  for (const auto& document : documents) {
    entries.push_back({static_cast<AttributeIndex::Slot>(entries.size()) * stride, &document});
  }
  return AttributeIndex(entries);
}

TEST(AttributeIndex, ValuesAreFoundByEqualityOrderAndNegation) {
  const auto index = index_of({{{"year", 2020.0}}, {{"year", 2021.0}}, {{"year", std::string("2021")}}, {}});
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::eq, "year", {2021.0}))), ElementsAre(1));
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::gte, "year", {2020.0}))), ElementsAre(0, 1));
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::lt, "year", {2021.0}))), ElementsAre(0));
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::lte, "year", {std::string("3")}))), ElementsAre(2));
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::ne, "year", {2021.0}))), ElementsAre(0, 2, 3));
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::eq, "absent", {2021.0}))), IsEmpty());
  EXPECT_THAT(slots_of(index.select(comparison(FilterOp::nin, "absent", {2021.0}))), ElementsAre(0, 1, 2, 3));
}

TEST(AttributeIndex, NothingIsInAnEmptyOne) {
  EXPECT_TRUE(AttributeIndex().select(Filter()).isEmpty());
  EXPECT_TRUE(AttributeIndex().select(comparison(FilterOp::ne, "a", {true})).isEmpty());
  EXPECT_EQ(AttributeIndex().size(), 0u);
}

class RandomFilters {
 public:
  explicit RandomFilters(unsigned seed) : random_(seed) {}

  Attributes attributes() {
    Attributes result;
    for (const char* key : {"a", "b", "c"}) {
      if (below(4) != 0) result[key] = value();
    }
    return result;
  }

  Filter filter(int depth) {
    Filter filter;
    const bool compound = depth > 0 && below(2) == 0;
    filter.op = static_cast<FilterOp>(compound ? 8 + below(2) : below(8));
    if (compound) {
      for (std::size_t i = below(4); i > 0; --i) filter.children.push_back(this->filter(depth - 1));
    } else {
      filter.key = std::string(1, static_cast<char>('a' + below(4)));
      for (std::size_t i = below(4); i > 0; --i) filter.values.push_back(value());
    }
    return filter;
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }

  AttributeValue value() {
    static const double numbers[] = {
        -1, -0.0, 0, 0.5, 7, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()};
    static const char* strings[] = {"", "a", "b", "ab", "é"};
    switch (below(3)) {
      case 0:
        return std::string(strings[below(5)]);
      case 1:
        return numbers[below(7)];
      default:
        return below(2) == 0;
    }
  }

  std::mt19937 random_;
};

TEST(AttributeIndex, AnswersAsTheFilterDoes) {
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  RandomFilters random(seed);
  for (int round = 0; round < 40; ++round) {
    std::vector<Attributes> documents(static_cast<std::size_t>(round) * 3);
    for (auto& document : documents) document = random.attributes();
    const auto index = index_of(documents, 7);
    for (int i = 0; i < 50; ++i) {
      const Filter filter = random.filter(3);
      std::vector<AttributeIndex::Slot> wanted;
      for (std::size_t d = 0; d < documents.size(); ++d) {
        if (filter.matches(documents[d])) wanted.push_back(static_cast<AttributeIndex::Slot>(d * 7));
      }
      ASSERT_EQ(slots_of(index.select(filter)), wanted);
    }
  }
}

}  // namespace
}  // namespace ragtime::index
