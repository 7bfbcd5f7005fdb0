#include "http/message.h"

#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

TEST(Headers, NamesCompareWithoutCase) {
  Headers headers;
  headers.set("Content-Type", "text/plain");
  EXPECT_EQ(headers.find("content-TYPE"), "text/plain");
  EXPECT_EQ(headers.find("content"), std::nullopt);
}

TEST(Headers, SetReplacesEveryFieldAndAddDoesNot) {
  Headers headers;
  headers.add("A", "1");
  headers.add("b", "2");
  headers.add("a", "3");
  EXPECT_EQ(headers.count("A"), 2u);
  EXPECT_EQ(headers.find("a"), "1");
  headers.set("a", "4");
  EXPECT_EQ(headers.count("A"), 1u);
  EXPECT_EQ(headers.find("A"), "4");
  headers.remove("B");
  EXPECT_EQ(headers.fields().size(), 1u);
}

}  // namespace
}  // namespace ragtime::http
