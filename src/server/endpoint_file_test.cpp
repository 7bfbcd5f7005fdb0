#include "server/endpoint_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace ragtime::server {
namespace {

using testing::HasSubstr;

const EndpointFileConfig kConfig{"endpoints.json", "m", "key"};

std::string problem(std::string_view text) {
  const auto parsed = parse_endpoints(text, kConfig);
  return parsed.has_error() ? parsed.error().message : "none";
}

TEST(EndpointFile, JsonAndTomlSayTheSame) {
  const char* const list = R"(["http://a:1/v1", {"url": "http://b:1/v1", "model": "n", "api_key": "k2", "weight": 2}])";
  const std::string object = R"({"endpoints": )" + std::string(list) + "}";
  const char* const inline_toml =
      "endpoints = [\"http://a:1/v1\", {url = \"http://b:1/v1\", model = \"n\", api_key = \"k2\", weight = 2}]\n";
  for (const std::string& text : {std::string(list), object, std::string(inline_toml)}) {
    const auto found = parse_endpoints(text, kConfig);
    ASSERT_TRUE(found.has_value()) << text << found.error().message;
    ASSERT_EQ(found->size(), 2u) << text;
    EXPECT_EQ((*found)[0].url, "http://a:1/v1");
    EXPECT_EQ((*found)[0].model, "m");
    EXPECT_EQ((*found)[0].api_key, "key");
    EXPECT_EQ((*found)[1].model, "n");
    EXPECT_EQ((*found)[1].api_key, "k2");
    EXPECT_EQ((*found)[1].weight, 2);
  }
}

TEST(EndpointFile, TablesOfTomlAreEndpoints) {
  const auto found = parse_endpoints("[[endpoints]]\nurl = \"http://a:1/v1\"\n[[endpoints]]\nurl = \"http://b:1/v1\"\n", kConfig);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->size(), 2u);
}

TEST(EndpointFile, MistakesAreNamed) {
  EXPECT_THAT(problem(R"({"endpoints": [)"), HasSubstr("not JSON"));
  EXPECT_THAT(problem("endpoints = [\n"), HasSubstr("line "));
  EXPECT_THAT(problem("{}"), HasSubstr("no list of endpoints"));
  EXPECT_THAT(problem("[1]"), HasSubstr("a text or an object"));
  EXPECT_THAT(problem(R"([{"ur": "http://a/v1"}])"), HasSubstr("unknown key \"ur\""));
  EXPECT_THAT(problem(R"([{"url": 1}])"), HasSubstr("url must be a text"));
  EXPECT_THAT(problem(R"([{"url": "http://a/v1", "weight": -1}])"), HasSubstr("weight"));
  EXPECT_NE(problem(R"(["ftp://a"])"), "none");
  EXPECT_NE(problem(R"([""])"), "none");
}

TEST(EndpointFile, TheSourceReadsTheFileAnew) {
  const auto file = std::filesystem::temp_directory_path() / ("endpoints-" + std::to_string(::getpid()) + ".json");
  async::ThreadPool blocking({.name = "blocking", .threads = 1, .queue_max = 4});
  const auto source = make_file_source({file.string(), "m", ""}, blocking);
  RequestContext context("req", "tenant", Deadline::after(std::chrono::seconds(20)));
  EXPECT_EQ(async::sync_wait(source->list(context)).error().code, ErrorCode::unavailable);
  std::ofstream(file) << R"(["http://a:1/v1"])";
  EXPECT_EQ(async::sync_wait(source->list(context)).value().size(), 1u);
  std::ofstream(file) << R"(["http://a:1/v1", "http://b:1/v1"])";
  EXPECT_EQ(async::sync_wait(source->list(context)).value().size(), 2u);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace ragtime::server
