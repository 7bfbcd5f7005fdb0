#include "api/filters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

// The filter of {"filters": text}, or the field at fault.
struct Read {
  std::optional<index::Filter> filter;
  std::string param;
  std::string message;
};

Read read(const std::string& text) {
  auto document = JsonDocument::parse(fmt::format("{{\"filters\":{}}}", text));
  if (document.has_error()) return {std::nullopt, "json", document.error().message};
  Read out;
  out.filter = read_filter(document->root()["filters"]);
  if (const auto status = document->status(); status.has_error()) {
    out.param = status.error().param;
    out.message = status.error().message;
  }
  return out;
}

TEST(Filters, ReadComparisonsOfEveryType) {
  const Read text = read(R"({"type":"eq","key":"team","value":"search"})");
  ASSERT_TRUE(text.filter);
  EXPECT_TRUE(text.filter->matches({{"team", std::string("search")}}));
  EXPECT_FALSE(text.filter->matches({{"team", std::string("other")}}));

  const Read number = read(R"({"type":"gte","key":"year","value":2021})");
  EXPECT_TRUE(number.filter->matches({{"year", 2021.0}}));
  EXPECT_FALSE(number.filter->matches({{"year", 2020.0}}));

  const Read flag = read(R"({"type":"ne","key":"draft","value":true})");
  EXPECT_TRUE(flag.filter->matches({{"draft", false}}));
  EXPECT_FALSE(flag.filter->matches({{"draft", true}}));

  const Read list = read(R"({"type":"in","key":"year","value":[2020,"x"]})");
  EXPECT_TRUE(list.filter->matches({{"year", 2020.0}}));
  EXPECT_FALSE(list.filter->matches({{"year", 2019.0}}));
}

TEST(Filters, ReadCompounds) {
  const Read both = read(R"({"type":"and","filters":[{"type":"lt","key":"a","value":5},
                            {"type":"or","filters":[{"type":"eq","key":"b","value":1},{"type":"nin","key":"b","value":[1,2]}]}]})");
  ASSERT_TRUE(both.filter) << both.message;
  EXPECT_EQ(both.filter->children.size(), 2u);
  EXPECT_TRUE(both.filter->matches({{"a", 1.0}, {"b", 3.0}}));
  EXPECT_FALSE(both.filter->matches({{"a", 1.0}, {"b", 2.0}}));
  EXPECT_FALSE(both.filter->matches({{"a", 9.0}, {"b", 1.0}}));
}

TEST(Filters, AbsentMeansNone) {
  EXPECT_FALSE(read("null").filter);
  EXPECT_EQ(read("null").param, "");
}

TEST(Filters, NameThePartAtFault) {
  EXPECT_EQ(read(R"("everything")").param, "filters");
  EXPECT_EQ(read(R"({"type":"like","key":"a","value":1})").param, "filters.type");
  EXPECT_EQ(read(R"({"type":"eq","value":1})").param, "filters.key");
  EXPECT_EQ(read(R"({"type":"eq","key":"a"})").param, "filters.value");
  EXPECT_EQ(read(R"({"type":"eq","key":"a","value":{}})").param, "filters.value");
  EXPECT_EQ(read(R"({"type":"gt","key":"a","value":true})").param, "filters.value");
  EXPECT_EQ(read(R"({"type":"in","key":"a","value":"b"})").param, "filters.value");
  EXPECT_EQ(read(R"({"type":"nin","key":"a"})").param, "filters.value");
  EXPECT_EQ(read(R"({"type":"in","key":"a","value":[1,[]]})").param, "filters.value[1]");
  EXPECT_EQ(read(R"({"type":"and"})").param, "filters.filters");
  EXPECT_EQ(read(R"({"type":"or","filters":[{"type":"eq","key":"a","value":1},null]})").param, "filters.filters[1]");
  EXPECT_EQ(
      read(R"({"type":"and","filters":[{"type":"eq","key":"a","value":1},{"type":"gt","key":"a","value":[]}]})").param,
      "filters.filters[1].value");
}

std::string nested(int depth) {
  std::string text = R"({"type":"eq","key":"a","value":1})";
  for (int i = 1; i < depth; ++i) text = fmt::format(R"({{"type":"and","filters":[{}]}})", text);
  return text;
}

TEST(Filters, AreBoundInDepthAndWidth) {
  EXPECT_EQ(read(nested(index::kFilterDepthMax)).param, "");
  EXPECT_NE(read(nested(index::kFilterDepthMax + 1)).message.find("nested 16 deep"), std::string::npos);
  std::string many;
  for (int i = 0; i < 101; ++i) many += fmt::format("{}{}", i ? "," : "", nested(1));
  EXPECT_EQ(read(fmt::format(R"({{"type":"and","filters":[{}]}})", many)).param, "filters.filters");
}

TEST(Filters, AreBoundInAll) {
  const auto wide = [](const std::string& each) {
    std::string list;
    for (int i = 0; i < 100; ++i) list += (i ? "," : "") + each;
    return fmt::format(R"({{"type":"or","filters":[{}]}})", list);
  };
  EXPECT_EQ(read(wide(nested(1))).param, "");
  EXPECT_NE(read(wide(wide(nested(1)))).message.find("at most 1000 conditions"), std::string::npos);
}

Error error_of(std::string_view body, void (*take)(const JsonNode& root)) {
  auto document = JsonDocument::parse(body);
  take(document->root());
  const auto status = document->status();
  return status.has_error() ? status.error() : Error{ErrorCode::internal, "none", "none"};
}

TEST(Attributes, KeepTheirTypesAndLimits) {
  auto document = JsonDocument::parse(R"({"attributes":{"s":"x","n":1.5,"b":false}})");
  const Attributes attributes = read_attributes(document->root()["attributes"]);
  EXPECT_EQ(attributes, (Attributes{{"s", std::string("x")}, {"n", 1.5}, {"b", false}}));

  const auto take = [](const JsonNode& root) { read_attributes(root["a"]); };
  EXPECT_EQ(error_of(R"({"a":{"k":[]}})", take).param, "a.k");
  EXPECT_EQ(error_of(R"({"a":{"":"x"}})", take).param, "a");
  EXPECT_EQ(error_of(fmt::format(R"({{"a":{{"{}":1}}}})", std::string(65, 'k')), take).param, "a");
  EXPECT_EQ(error_of(fmt::format(R"({{"a":{{"k":"{}"}}}})", std::string(513, 'v')), take).param, "a.k");
  std::string many;
  for (int i = 0; i < 17; ++i) many += fmt::format("{}\"k{}\":1", i ? "," : "", i);
  EXPECT_NE(error_of(fmt::format("{{\"a\":{{{}}}}}", many), take).message.find("at most 16"), std::string::npos);
}

TEST(Metadata, TakesTextsOnly) {
  const auto take = [](const JsonNode& root) { read_metadata(root["metadata"]); };
  EXPECT_EQ(error_of(R"({"metadata":{"k":5}})", take).param, "metadata.k");
  EXPECT_EQ(error_of(R"({"metadata":"k"})", take).param, "metadata");
  EXPECT_EQ(error_of(R"({"metadata":{"k":"v"}})", take).param, "none");
}

TEST(ChunkingStrategy, IsChecked) {
  auto document = JsonDocument::parse(
      R"({"c":{"type":"static","static":{"max_chunk_size_tokens":200,"chunk_overlap_tokens":100}},"auto":{"type":"auto"}})");
  const ChunkSizes sizes = read_chunking_strategy(document->root()["c"]);
  EXPECT_EQ(sizes.size, 200);
  EXPECT_EQ(sizes.overlap, 100);
  EXPECT_EQ(read_chunking_strategy(document->root()["auto"]).size, 0);

  const auto take = [](const JsonNode& root) { read_chunking_strategy(root["c"]); };
  EXPECT_EQ(error_of(R"({"c":{"type":"wild"}})", take).param, "c.type");
  EXPECT_EQ(error_of(R"({"c":{"type":"static"}})", take).param, "c.static");
  EXPECT_EQ(
      error_of(R"({"c":{"type":"static","static":{"max_chunk_size_tokens":99,"chunk_overlap_tokens":0}}})", take).param,
      "c.static.max_chunk_size_tokens");
  EXPECT_EQ(
      error_of(R"({"c":{"type":"static","static":{"max_chunk_size_tokens":100,"chunk_overlap_tokens":51}}})", take)
          .param,
      "c.static.chunk_overlap_tokens");
}

}  // namespace
}  // namespace ragtime::api
