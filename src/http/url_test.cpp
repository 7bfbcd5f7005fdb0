#include "http/url.h"

#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

TEST(Url, IsTakenApart) {
  const auto plain = parse_url("http://example.org");
  ASSERT_TRUE(plain.has_value());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->port, "80");
  EXPECT_EQ(plain->target, "/");
  EXPECT_EQ(plain->host_field(), "example.org");
  const auto full = parse_url("HTTPS://[::1]:8443/a%20b?x=%2F#fragment");
  ASSERT_TRUE(full.has_value());
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->host, "::1");
  EXPECT_EQ(full->target, "/a%20b?x=%2F");
  EXPECT_EQ(full->host_field(), "[::1]:8443");
  EXPECT_EQ(full->origin(), "https://[::1]:8443");
  EXPECT_EQ(parse_url("https://a?q")->target, "/?q");
}

TEST(Url, RefusesWhatAClientCannotUse) {
  for (const char* bad : {"", "example.org", "/path", "ftp://a/", "http://", "http:///x", "http://a b/", "http://a:0/",
                          "http://a:70000/", "http://user:pass@a/", "http://a/\r\nX: y"}) {
    const auto url = parse_url(bad);
    ASSERT_TRUE(url.has_error()) << bad;
    EXPECT_EQ(url.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(url.error().param, "url");
  }
}

TEST(Url, ResolvesRedirects) {
  EXPECT_EQ(*resolve_url("http://a/b/c?d", "e"), "http://a/b/e");
  EXPECT_EQ(*resolve_url("http://a/b/c", "/x?y"), "http://a/x?y");
  EXPECT_EQ(*resolve_url("http://a/b", "https://other:1/z"), "https://other:1/z");
  EXPECT_EQ(*resolve_url("https://a/b", "//c/d"), "https://c/d");
  EXPECT_TRUE(resolve_url("http://a/", "http://[").has_error());
}

}  // namespace
}  // namespace ragtime::http
