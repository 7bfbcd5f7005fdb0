#include "index/filter.h"

#include <gtest/gtest.h>

namespace ragtime::index {
namespace {

using std::string_literals::operator""s;

Filter compare(FilterOp op, std::string key, std::vector<AttributeValue> values) {
  return {.op = op, .key = std::move(key), .values = std::move(values), .children = {}};
}

Filter combine(FilterOp op, std::vector<Filter> children) {
  return {.op = op, .key = {}, .values = {}, .children = std::move(children)};
}

const Attributes kDocument = {{"year", 2024.0}, {"lang", "zh"s}, {"draft", false}, {"code", "42"s}};

TEST(Filter, EqualityNeedsTheSameType) {
  EXPECT_TRUE(compare(FilterOp::eq, "year", {2024.0}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::eq, "year", {2023.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::eq, "draft", {false}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::eq, "code", {42.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::ne, "code", {42.0}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::eq, "draft", {0.0}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::ne, "lang", {"zh"s}).matches(kDocument));
}

TEST(Filter, OrderOfNumbersAndStrings) {
  EXPECT_TRUE(compare(FilterOp::gt, "year", {2023.0}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::gt, "year", {2024.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::gte, "year", {2024.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::lt, "year", {2024.5}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::lt, "year", {2024.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::lte, "year", {2024.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::gt, "lang", {"en"s}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::lt, "lang", {"en"s}).matches(kDocument));
}

TEST(Filter, DifferentTypesAndBooleansHaveNoOrder) {
  for (const FilterOp op : {FilterOp::gt, FilterOp::gte, FilterOp::lt, FilterOp::lte}) {
    EXPECT_FALSE(compare(op, "year", {"2000"s}).matches(kDocument));
    EXPECT_FALSE(compare(op, "code", {1.0}).matches(kDocument));
    EXPECT_FALSE(compare(op, "draft", {false}).matches(kDocument));
    EXPECT_FALSE(compare(op, "year", {}).matches(kDocument));
  }
}

TEST(Filter, Membership) {
  EXPECT_TRUE(compare(FilterOp::in, "lang", {"en"s, "zh"s}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::in, "lang", {"en"s, "fr"s}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::in, "lang", {}).matches(kDocument));
  EXPECT_FALSE(compare(FilterOp::nin, "lang", {"en"s, "zh"s}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::nin, "lang", {"en"s}).matches(kDocument));
}

TEST(Filter, AMissingKeyMatchesOnlyNegations) {
  for (const FilterOp op : {FilterOp::eq, FilterOp::gt, FilterOp::gte, FilterOp::lt, FilterOp::lte, FilterOp::in}) {
    EXPECT_FALSE(compare(op, "absent", {1.0}).matches(kDocument));
  }
  EXPECT_TRUE(compare(FilterOp::ne, "absent", {1.0}).matches(kDocument));
  EXPECT_TRUE(compare(FilterOp::nin, "absent", {1.0}).matches(kDocument));
}

TEST(Filter, CompoundsNest) {
  const Filter is_zh = compare(FilterOp::eq, "lang", {"zh"s});
  const Filter is_old = compare(FilterOp::lt, "year", {2000.0});
  EXPECT_FALSE(combine(FilterOp::all_of, {is_zh, is_old}).matches(kDocument));
  EXPECT_TRUE(combine(FilterOp::any_of, {is_zh, is_old}).matches(kDocument));
  EXPECT_TRUE(combine(FilterOp::all_of, {is_zh, combine(FilterOp::any_of, {is_old, is_zh})}).matches(kDocument));
  EXPECT_TRUE(combine(FilterOp::all_of, {}).matches(kDocument));
  EXPECT_FALSE(combine(FilterOp::any_of, {}).matches(kDocument));
}

}  // namespace
}  // namespace ragtime::index
