#include "http/target.h"

#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

TEST(Target, DecodesPathAndQuery) {
  const auto target = parse_target("/v1/a%2Fb/%E6%A3%80?x=1&y=a+b%26&x=2&flag&&=e");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->raw_path, "/v1/a%2Fb/%E6%A3%80");
  EXPECT_EQ(target->path, "/v1/a/b/检");
  const std::map<std::string, std::string> query = {{"x", "2"}, {"y", "a b&"}, {"flag", ""}, {"", "e"}};
  EXPECT_EQ(target->query, query);
}

TEST(Target, APlusInThePathIsAPlus) {
  EXPECT_EQ(parse_target("/a+b")->path, "/a+b");
}

TEST(Target, AcceptsTheAbsoluteFormAndTheAsterisk) {
  EXPECT_EQ(parse_target("http://host:80/a?b=c")->path, "/a");
  EXPECT_EQ(parse_target("HTTP://host")->path, "/");
  EXPECT_EQ(parse_target("http://host?b=c")->query.at("b"), "c");
  EXPECT_EQ(parse_target("http://host?b=c")->path, "/");
  EXPECT_EQ(parse_target("*")->path, "*");
}

TEST(Target, RefusesWhatIsNotAPath) {
  for (const char* bad : {"", "a", "ftp://x/", "/a%", "/a%2", "/a%zz", "/a%00b", "/%ff", "/\xC3", "/a?b=%00",
                          "/a?b=%ff", "/a?%zz", "/a/../b", "/a/%2e%2E/b", "/./a", "/a/..", "/a#b"}) {
    const auto target = parse_target(bad);
    ASSERT_TRUE(target.has_error()) << bad;
    EXPECT_EQ(target.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_TRUE(parse_target("/a/..b/...").has_value());
}

TEST(PercentDecode, TakesTheLastEscape) {
  EXPECT_EQ(percent_decode("%41%4a"), "AJ");
  EXPECT_EQ(percent_decode("a%4"), std::nullopt);
}

}  // namespace
}  // namespace ragtime::http
