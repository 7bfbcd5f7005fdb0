#include "http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

Route route(std::string method, std::string pattern) {
  Route made;
  made.method = std::move(method);
  made.pattern = std::move(pattern);
  return made;
}

Router example() {
  Router router;
  router.add(route("GET", "/"));
  router.add(route("GET", "/v1/files/{file_id}"));
  router.add(route("GET", "/v1/files/search"));
  router.add(route("DELETE", "/v1/files/{id}"));
  router.add(route("POST", "/v1/files"));
  router.add(route("GET", "/v1/files/{file_id}/content"));
  router.add(route("GET", "/ui/{path...}"));
  router.add(route("GET", "/ui/index.html"));
  return router;
}

std::string matched(const Router& router, std::string_view method, std::string_view path) {
  const auto match = router.match(method, path);
  return match.route == nullptr ? "" : match.route->pattern;
}

TEST(Router, TakesParameters) {
  const Router router = example();
  const auto match = router.match("GET", "/v1/files/file-1/content");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->pattern, "/v1/files/{file_id}/content");
  EXPECT_EQ(match.params.at("file_id"), "file-1");
}

TEST(Router, LiteralPartsWin) {
  const Router router = example();
  EXPECT_EQ(matched(router, "GET", "/v1/files/search"), "/v1/files/search");
  EXPECT_EQ(matched(router, "GET", "/v1/files/searching"), "/v1/files/{file_id}");
  EXPECT_EQ(matched(router, "GET", "/ui/index.html"), "/ui/index.html");
}

TEST(Router, RestTakesSlashes) {
  const Router router = example();
  EXPECT_EQ(router.match("GET", "/ui/a/b/c.js").params.at("path"), "a/b/c.js");
  EXPECT_EQ(router.match("GET", "/ui/").params.at("path"), "");
  EXPECT_EQ(matched(router, "GET", "/ui"), "");
}

TEST(Router, EncodedSlashesStayInTheirParameter) {
  const Router router = example();
  EXPECT_EQ(router.match("GET", "/v1/files/a%2Fb%20c").params.at("file_id"), "a/b c");
  EXPECT_EQ(matched(router, "GET", "/v1/files/%73earch"), "/v1/files/search");
}

TEST(Router, NearMissesDoNotMatch) {
  const Router router = example();
  for (const char* path :
       {"/v1", "/v1/files/", "/v1/files/a/content/", "/v1/files//content", "//", "", "*", "v1/files"}) {
    EXPECT_EQ(matched(router, "GET", path), "") << path;
  }
  EXPECT_EQ(matched(router, "GET", "/"), "/");
}

TEST(Router, TellsTheAllowedMethods) {
  const Router router = example();
  const auto match = router.match("PUT", "/v1/files/file-1");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_THAT(match.allowed, testing::ElementsAre("DELETE", "GET", "HEAD"));
  EXPECT_TRUE(router.match("PUT", "/nothing").allowed.empty());
}

TEST(Router, HeadFallsBackToGet) {
  Router router = example();
  EXPECT_EQ(router.match("HEAD", "/v1/files/x").route->method, "GET");
  router.add(route("HEAD", "/v1/files/{x}"));
  EXPECT_EQ(router.match("HEAD", "/v1/files/x").route->method, "HEAD");
}

TEST(RouterDeathTest, RefusesMistakesOfTheProgram) {
  Router router = example();
  EXPECT_DEATH(router.add(route("GET", "/v1/files/{another}")), "method");
  EXPECT_DEATH(router.add(route("GET", "relative")), "starts_with");
  EXPECT_DEATH(router.add(route("GET", "/{rest...}/x")), "rest");
}

}  // namespace
}  // namespace ragtime::http
