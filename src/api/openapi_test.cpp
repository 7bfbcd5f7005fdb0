#include "api/openapi.h"

#include <set>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "api/docs_page.h"
#include "api/json_reader.h"
#include "api/json_text.h"
#include "text/html_escape.h"

namespace ragtime::api {
namespace {

const json::object& document() {
  static const json::object built = openapi_document(route_table(), ServiceConfig());
  return built;
}

void collect_references(const json::value& value, std::set<std::string>& out) {
  if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) collect_references(item, out);
  }
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) {
      if (member.key() == "$ref") out.insert(std::string(member.value().as_string()));
      collect_references(member.value(), out);
    }
  }
}

TEST(OpenApi, HasEveryRouteWithItsScope) {
  std::set<std::string> operations;
  for (const RouteSpec& route : route_table()) {
    const json::object& path = document().at("paths").at(openapi_path(route.pattern)).as_object();
    std::string method;
    for (const char c : route.method) method.push_back(static_cast<char>(std::tolower(c)));
    const json::object& operation = path.at(method).as_object();
    EXPECT_EQ(operation.at("x-ragtime-scope"), json::value(name(route.scope)));
    EXPECT_TRUE(operations.insert(std::string(operation.at("operationId").as_string())).second)
        << operation.at("operationId");
    EXPECT_EQ(operation.contains("requestBody"), !route.request.empty());
  }
}

TEST(OpenApi, EveryReferenceResolvesAndEverySchemaIsUsed) {
  std::set<std::string> references;
  collect_references(document(), references);
  const json::object& schemas = document().at("components").at("schemas").as_object();
  for (const std::string& reference : references) {
    const std::string prefix = "#/components/schemas/";
    ASSERT_TRUE(reference.starts_with(prefix)) << reference;
    EXPECT_TRUE(schemas.contains(reference.substr(prefix.size()))) << reference;
  }
  for (const auto& schema : schemas) {
    const bool by_hand = schema.key() == "FileCitation";  // Named in texts only: annotations are open objects.
    EXPECT_TRUE(by_hand || references.contains("#/components/schemas/" + std::string(schema.key()))) << schema.key();
  }
}

TEST(OpenApi, EveryPathParameterIsDeclared) {
  for (const RouteSpec& route : route_table()) {
    for (const std::string& parameter : path_parameters(route.pattern)) {
      EXPECT_EQ(parameter.find_first_of(".{}"), std::string::npos) << route.pattern;
    }
  }
  EXPECT_EQ(path_parameters("/v1/a/{b}/c/{d...}"), (std::vector<std::string>{"b", "d"}));
}

TEST(OpenApi, ExamplesAreJson) {
  for (const RouteSpec& route : route_table()) {
    if (!route.example.starts_with('{')) continue;
    EXPECT_NO_THROW(json::parse(json::string_view(route.example))) << route.pattern;
  }
}

TEST(OpenApi, SaysWhatIsStreamed) {
  const json::value& paths = document().at("paths");
  const auto types = [&](std::string_view path) {
    return paths.at(path).at("post").at("responses").at("200").at("content").as_object();
  };
  EXPECT_EQ(types("/v1/responses").at("text/event-stream").at("schema").at("type"), "string");
  EXPECT_TRUE(types("/v1/chat/completions").contains("text/event-stream"));
  EXPECT_FALSE(types("/v1/embeddings").contains("text/event-stream"));
  EXPECT_TRUE(types("/streaming/chat").contains("text/event-stream"));
  EXPECT_FALSE(types("/streaming/chat").contains("application/json"));
}

TEST(OpenApi, NeedsNoKeyForHealthOnly) {
  std::set<std::string> open;
  for (const RouteSpec& route : route_table()) {
    if (route.scope == Scope::none) open.insert(std::string(route.pattern));
  }
  EXPECT_EQ(open, (std::set<std::string>{"/healthz", "/readyz"}));
}

TEST(DocsPage, ShowsEveryRouteAndSchemaAndLoadsNothing) {
  const std::string page = docs_page(route_table(), document());
  for (const RouteSpec& route : route_table()) {
    EXPECT_NE(page.find(text::escape_html(openapi_path(route.pattern))), std::string::npos) << route.pattern;
  }
  for (const auto& schema : document().at("components").at("schemas").as_object()) {
    EXPECT_NE(page.find("id=\"schema-" + std::string(schema.key()) + "\""), std::string::npos) << schema.key();
  }
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
}

TEST(JsonText, WritesNumbersAsPeopleDo) {
  json::value value = json::parse(R"({"a":[0.7,1e3,-2.5,12,"x\"灯",true,null,{}]})");
  EXPECT_EQ(json_text(value), R"({"a":[0.7,1000,-2.5,12,"x\"灯",true,null,{}]})");
  EXPECT_EQ(json_text(json::value(static_cast<double>(0.1f))), "0.1");
  EXPECT_EQ(json_text(json::value(0.1)), "0.1");
}

}  // namespace
}  // namespace ragtime::api
