#include "api/json_reader.h"

#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

JsonDocument parse(std::string_view text) {
  auto document = JsonDocument::parse(text);
  EXPECT_TRUE(document.has_value()) << (document.has_error() ? document.error().message : "");
  return std::move(*document);
}

Error failure(const JsonDocument& document) {
  const auto status = document.status();
  return status.has_error() ? status.error() : Error{ErrorCode::internal, "no failure", "no failure"};
}

TEST(JsonReader, ReadsTypedFields) {
  const JsonDocument document = parse(R"({"s":"灯","i":3,"whole":4.0,"d":0.5,"b":true,"n":null,"a":[1,2]})");
  const JsonNode root = document.root();
  EXPECT_EQ(root["s"].string(), "灯");
  EXPECT_EQ(root["i"].integer(0, 9), 3);
  EXPECT_EQ(root["whole"].integer(0, 9), 4);
  EXPECT_EQ(root["d"].number(0, 1), 0.5);
  EXPECT_EQ(root["i"].number(0, 9), 3.0);
  EXPECT_TRUE(root["b"].boolean_or(false));
  EXPECT_FALSE(root["n"].present());
  EXPECT_EQ(root["n"].optional_string(), std::nullopt);
  EXPECT_EQ(root["absent"].optional_integer(0, 1), std::nullopt);
  EXPECT_EQ(root["a"].items(2).size(), 2u);
  EXPECT_EQ(root.members().size(), 7u);
  EXPECT_TRUE(document.status().has_value());
}

TEST(JsonReader, NamesTheWholePathOfTheFirstMistake) {
  const JsonDocument document = parse(R"({"filters":{"filters":[{},{"value":[1,{"x":"no"}]}]}})");
  const JsonNode second = document.root()["filters"]["filters"].items(9)[1];
  second["value"].items(9)[1]["x"].integer(0, 1);
  document.root()["model"].string();
  EXPECT_EQ(failure(document).param, "filters.filters[1].value[1].x");
  EXPECT_EQ(failure(document).code, ErrorCode::invalid_argument);
  EXPECT_EQ(failure(document).message,
            "Invalid type for 'filters.filters[1].value[1].x': expected an integer, but got a string instead.");
}

struct Mistake {
  std::string body;
  void (*read)(const JsonNode& root);
  std::string param;
  std::string part_of_message;

  friend std::ostream& operator<<(std::ostream& out, const Mistake& mistake) { return out << mistake.body; }
};

class JsonMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(JsonMistakes, AreReported) {
  const JsonDocument document = parse(GetParam().body);
  GetParam().read(document.root());
  EXPECT_EQ(failure(document).param, GetParam().param);
  EXPECT_NE(failure(document).message.find(GetParam().part_of_message), std::string::npos) << failure(document).message;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, JsonMistakes,
    testing::Values(
        Mistake{R"({})", [](const JsonNode& root) { root["a"].string(); }, "a", "Missing required parameter: 'a'"},
        Mistake{R"({"a":null})", [](const JsonNode& root) { root["a"].integer(0, 1); }, "a", "Missing"},
        Mistake{R"({"a":1})", [](const JsonNode& root) { root["a"].string(); }, "a",
                "expected a string, but got an int"},
        Mistake{R"({"a":"灯灯灯"})", [](const JsonNode& root) { root["a"].string(2); }, "a", "at most 2 characters"},
        Mistake{R"({"a":5})", [](const JsonNode& root) { root["a"].integer(1, 4); }, "a", "between 1 and 4"},
        Mistake{R"({"a":18446744073709551615})", [](const JsonNode& root) { root["a"].integer(1, 4); }, "a", "between"},
        Mistake{R"({"a":1.5})", [](const JsonNode& root) { root["a"].integer(1, 4); }, "a", "expected an integer"},
        Mistake{R"({"a":1e999})", [](const JsonNode& root) { root["a"].number(0, 2); }, "a", "between 0 and 2"},
        Mistake{R"({"a":"yes"})", [](const JsonNode& root) { root["a"].boolean_or(false); }, "a", "expected a boolean"},
        Mistake{R"({"a":{}})", [](const JsonNode& root) { root["a"].items(1); }, "a", "expected an array"},
        Mistake{R"({"a":[1,2]})", [](const JsonNode& root) { root["a"].items(1); }, "a", "at most 1 items"},
        Mistake{R"({"a":[]})", [](const JsonNode& root) { root["a"]["b"].present(); }, "a", "expected an object"},
        Mistake{R"({"a":"x"})",
                [](const JsonNode& root) {
                  root["a"].choice({"y", "z"});
                },
                "a", "'y', 'z'"}));

TEST(JsonReader, RefusesWhatIsNoJsonObject) {
  const auto message = [](std::string_view text) {
    auto document = JsonDocument::parse(text);
    return document.has_error() ? document.error().message : std::string("accepted");
  };
  EXPECT_NE(message("").find("empty"), std::string::npos);
  EXPECT_NE(message("  \n").find("empty"), std::string::npos);
  EXPECT_NE(message("{not json").find("not valid JSON"), std::string::npos);
  EXPECT_NE(message(R"({"a":1)").find("not valid JSON"), std::string::npos);
  EXPECT_NE(message(R"({"a":1} trailing)").find("not valid JSON"), std::string::npos);
  EXPECT_NE(message("{\"a\":\"\xff\"}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(message("[1]").find("must be a JSON object, not an array"), std::string::npos);
  EXPECT_NE(message(std::string(100'000, '[')).find("nested deeper"), std::string::npos);
}

TEST(JsonReader, TakesNestingUpToTheLimit) {
  const auto nested = [](std::size_t depth) {
    std::string text = "{\"a\":";
    text.append(depth - 1, '[').append(depth - 1, ']');
    return text + "}";
  };
  EXPECT_TRUE(JsonDocument::parse(nested(kJsonDepthMax)).has_value());
  EXPECT_TRUE(JsonDocument::parse(nested(kJsonDepthMax + 1)).has_error());
}

}  // namespace
}  // namespace ragtime::api
