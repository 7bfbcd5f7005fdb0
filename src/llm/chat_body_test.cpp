#include "llm/chat_body.h"

#include <random>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "llm/json_cursor.h"

namespace ragtime::llm {
namespace {

namespace json = boost::json;

std::string rewritten(const std::string& body, std::string_view model = "up/stream") {
  const auto parsed = read_chat_body(body);
  EXPECT_TRUE(parsed.has_value()) << body << ": " << (parsed.has_error() ? parsed.error().message : "");
  return parsed.has_value() ? body_for_upstream(body, *parsed, model) : std::string();
}

TEST(ChatBodyTest, OnlyTheModelsNameChanges) {
  EXPECT_EQ(rewritten(R"({"model":"chat","messages":[]})"), R"({"model":"up/stream","messages":[]})");
  EXPECT_EQ(rewritten(R"( { "n" : 1.50E+2 , "model" :  "chat" , "x": {"model":"kept"} } )"),
            R"( { "n" : 1.50E+2 , "model" :  "up/stream" , "x": {"model":"kept"} } )");
  EXPECT_EQ(rewritten(R"({"messages":[{"role":"user","content":"é \u00e9 \"model\":\"x\""}],"model":"c"})"),
            R"({"messages":[{"role":"user","content":"é \u00e9 \"model\":\"x\""}],"model":"up/stream"})");
}

TEST(ChatBodyTest, NamesAreEscapedAndKeysDecoded) {
  EXPECT_EQ(rewritten(R"({"mod\u0065l":"chat"})", "a\"b\\c\n"), R"({"mod\u0065l":"a\"b\\c\u000a"})");
  EXPECT_EQ(read_chat_body(R"({"model":"\u6a21\u578b-\ud83d\ude00\n"})")->model, "模型-😀\n");
  EXPECT_EQ(read_chat_body(R"({"model":"\ud83d!"})")->model, "\xEF\xBF\xBD!");
}

TEST(ChatBodyTest, EveryCopyOfAKeyIsChangedAndTheLastCounts) {
  const std::string body = R"({"model":"a","stream":true,"model":"b","stream":false})";
  EXPECT_EQ(rewritten(body), R"({"model":"up/stream","stream":true,"model":"up/stream","stream":false})");
  EXPECT_EQ(read_chat_body(body)->model, "b");
  EXPECT_FALSE(read_chat_body(body)->stream);
}

TEST(ChatBodyTest, StreamsAskForUsage) {
  EXPECT_EQ(rewritten(R"({"model":"c","stream":true})"),
            R"({"stream_options":{"include_usage":true},"model":"up/stream","stream":true})");
  EXPECT_EQ(rewritten(R"({"model":"c","stream":true,"stream_options":null})"),
            R"({"model":"up/stream","stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_EQ(rewritten(R"({"stream_options":{},"model":"c","stream":true})"),
            R"({"stream_options":{"include_usage":true},"model":"up/stream","stream":true})");
  EXPECT_EQ(rewritten(R"({"stream_options":{ "include_usage" : false, "x":1},"model":"c","stream":true})"),
            R"({"stream_options":{ "include_usage" : true, "x":1},"model":"up/stream","stream":true})");
  EXPECT_EQ(rewritten(R"({"stream_options":{"x":1},"model":"c","stream":true})"),
            R"({"stream_options":{"include_usage":true,"x":1},"model":"up/stream","stream":true})");
  const std::string asked = R"({"model":"c","stream":true,"stream_options":{"include_usage":true}})";
  EXPECT_TRUE(read_chat_body(asked)->include_usage);
  EXPECT_FALSE(read_chat_body(R"({"model":"c","stream":true})")->include_usage);
}

TEST(ChatBodyTest, WholeAnswersDoNot) {
  for (const char* body : {R"({"model":"c"})", R"({"model":"c","stream":false,"stream_options":{"x":1}})"}) {
    EXPECT_EQ(rewritten(body, "c"), body);
  }
}

TEST(ChatBodyTest, AMissingModelIsAdded) {
  EXPECT_EQ(rewritten(R"({"stream":false})"), R"({"model":"up/stream","stream":false})");
  EXPECT_EQ(rewritten("{ }"), R"({"model":"up/stream" })");
  EXPECT_EQ(rewritten(R"({"stream":true})"),
            R"({"stream_options":{"include_usage":true},"model":"up/stream","stream":true})");
  EXPECT_EQ(rewritten(R"({"model":null,"x":[]})"), R"({"model":"up/stream","x":[]})");
}

TEST(ChatBodyTest, ReadsWhatTheGatewayNeeds) {
  const std::string body = R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"n":3,)"
                           R"("max_tokens":5,"max_completion_tokens":7,"tools":[{"type":"function"}],"model":"c"})";
  const auto parsed = read_chat_body(body);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->choices, 3);
  EXPECT_EQ(parsed->tokens_max, 7);
  EXPECT_EQ(parsed->first_message.of(body), R"({"role":"system","content":"s"})");
  EXPECT_EQ(parsed->tools.of(body), R"([{"type":"function"}])");
  EXPECT_EQ(read_chat_body(R"({"n":-4})")->choices, 1);
  EXPECT_EQ(read_chat_body(R"({"n":1e99})")->choices, 1);
}

TEST(ChatBodyTest, WhatIsNoJsonObjectIsRefused) {
  for (const char* body : {"",
                           " ",
                           "{",
                           "}",
                           "[]",
                           "7",
                           "\"x\"",
                           "null",
                           "{]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1}}",
                           "{\"a\":1} x",
                           "{\"a\":01}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":1e}",
                           "{\"a\":+1}",
                           "{\"a\":tru}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12g4\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"x}",
                           "{\"a\" 1}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":[1 2]}",
                           "{\"a\":[1,]}",
                           "{\"a\":[}",
                           "{\"a\":{\"b\":1]}",
                           "{\"a\":NaN}",
                           "{\"a\":[[]}",
                           "{\"model\":\"x}",
                           "{\"stream_options\":{\"include_usage\":}}",
                           "{\"messages\":[1,}"}) {
    const auto parsed = read_chat_body(body);
    ASSERT_TRUE(parsed.has_error()) << body;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << body;
  }
}

TEST(ChatBodyTest, DepthIsBounded) {
  const auto nested = [](std::size_t depth) {
    return "{\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(read_chat_body(nested(JsonCursor::kDepthMax)).has_value());
  EXPECT_TRUE(read_chat_body(nested(JsonCursor::kDepthMax + 1)).has_error());
  EXPECT_TRUE(read_chat_body("{\"x\":" + std::string(1u << 20, '[')).has_error());
}

TEST(ChatBodyTest, LargeBodies) {
  std::string text;
  while (text.size() < 400'000) text += R"(a line of \"text\" with\n escapes, 文字 and \u00e9 )";
  const std::string body = R"({"messages":[{"role":"user","content":")" + text + R"("}],"model":"chat","stream":true})";
  const std::string sent = rewritten(body);
  EXPECT_EQ(json::parse(sent).at("messages"), json::parse(body).at("messages"));
  EXPECT_EQ(json::parse(sent).at("model"), "up/stream");
}

// A value of every kind, nested at random.
json::value random_value(std::mt19937& random, int depth) {
  const auto pick = [&](int choices) { return static_cast<int>(random() % static_cast<unsigned>(choices)); };
  switch (pick(depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return pick(2) == 0;
    case 2:
      return static_cast<std::int64_t>(random()) - 2'000'000'000;
    case 3:
      return static_cast<double>(random()) / 1e5;
    case 4: {
      constexpr std::string_view kAlphabet = "a\"\\/\n\x01 é文,:{}[]";
      std::string text;
      for (int i = pick(20); i > 0; --i) text += kAlphabet.substr(static_cast<std::size_t>(pick(7)), 1);
      return json::string(text);
    }
    case 5: {
      json::array array;
      for (int i = pick(4); i > 0; --i) array.push_back(random_value(random, depth - 1));
      return array;
    }
    default: {
      json::object object;
      for (int i = pick(4); i > 0; --i) object["k" + std::to_string(i)] = random_value(random, depth - 1);
      return object;
    }
  }
}

// Beside a parser that builds: the same texts are accepted, and the change is the one that was asked for.
TEST(ChatBodyTest, AgreesWithAParser) {
  const auto seed = static_cast<std::mt19937::result_type>(std::random_device()());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    json::object object{{"a", random_value(random, 4)}, {"model", "chat"}, {"b", random_value(random, 4)}};
    std::string body = json::serialize(object);
    object["model"] = "up";
    EXPECT_EQ(json::parse(rewritten(body, "up")), json::value(object));
    // One byte is damaged.
    body[random() % body.size()] = "\"\\{}[]:,0e- x\n"[random() % 14];
    boost::system::error_code failure;
    const json::value parsed = json::parse(body, failure);
    const bool valid = !failure && parsed.is_object();
    EXPECT_EQ(read_chat_body(body).has_value(), valid) << body;
  }
}

// Strings are passed over in blocks: what matters in them may stand at every place of one, and of the last bytes.
TEST(ChatBody, SeesQuotesEscapesAndControlCharactersWhereverTheyAre) {
  for (std::size_t before = 0; before < 40; ++before) {
    for (std::size_t behind = 0; behind < 40; ++behind) {
      const auto read = [&](std::string_view middle) {
        const std::string text = std::string(before, 'a') + std::string(middle) + std::string(behind, 'b');
        return read_chat_body(R"({"prompt":")" + text + R"(","model":"m"})");
      };
      SCOPED_TRACE(fmt::format("{} before, {} behind", before, behind));
      for (const std::string_view good : {R"(\")", R"(\\)", R"(\u00e9)", "\xC3\xA9", "\x7F", " !#[]^"}) {
        const auto body = read(good);
        ASSERT_TRUE(body.has_value()) << good;
        EXPECT_EQ(body->model, "m");
        EXPECT_EQ(body->first_message.size, before + good.size() + behind + 2);
      }
      for (const std::string_view bad : {"\"", "\n", "\x1F", R"(\x)", R"(\u12g)"}) {
        EXPECT_TRUE(read(bad).has_error()) << bad;
      }
    }
  }
}

}  // namespace
}  // namespace ragtime::llm
