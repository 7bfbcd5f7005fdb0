#include "api/conversation.h"

#include <gtest/gtest.h>

namespace ragtime::api {
namespace {

struct Read {
  Conversation conversation;
  json::array items;
  std::string param;
};

Read chat(std::string_view body) {
  auto document = JsonDocument::parse(body);
  Read out;
  out.conversation = read_chat_messages(document->root()["messages"]);
  if (const auto status = document->status(); status.has_error()) out.param = status.error().param;
  return out;
}

Read input(std::string_view body) {
  auto document = JsonDocument::parse(body);
  Read out;
  out.items = read_input_items(document->root()["input"]);
  if (const auto status = document->status(); status.has_error()) out.param = status.error().param;
  out.conversation = conversation_of(out.items);
  return out;
}

TEST(Conversation, ChatMessagesKeepOrderAndCollectInstructions) {
  const Read read =
      chat(R"({"messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":"In English."},
      {"role":"user","content":[{"type":"text","text":"Hel"},{"type":"text","text":"lo"}]},
      {"role":"assistant","content":"Hi"},{"role":"user","content":"Bye"}]})");
  EXPECT_EQ(read.param, "");
  EXPECT_EQ(read.conversation.instructions, "Be brief.\n\nIn English.");
  ASSERT_EQ(read.conversation.messages.size(), 3u);
  EXPECT_EQ(read.conversation.messages[0].content, "Hello");
  EXPECT_EQ(read.conversation.messages[1].role, "assistant");
  EXPECT_EQ(missing_question(read.conversation), "");
}

TEST(Conversation, ChatMistakesAreNamed) {
  EXPECT_EQ(chat(R"({})").param, "messages");
  EXPECT_EQ(chat(R"({"messages":[{"content":"x"}]})").param, "messages[0].role");
  EXPECT_EQ(chat(R"({"messages":[{"role":"wizard","content":"x"}]})").param, "messages[0].role");
  EXPECT_EQ(chat(R"({"messages":[{"role":"tool","content":"x"}]})").param, "messages[0].role");
  EXPECT_EQ(chat(R"({"messages":[{"role":"user","content":5}]})").param, "messages[0].content");
  EXPECT_EQ(chat(R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})").param,
            "messages[0].content[0].type");
  EXPECT_NE(missing_question(chat(R"({"messages":[]})").conversation), "");
  EXPECT_NE(missing_question(chat(R"({"messages":[{"role":"user","content":" "}]})").conversation), "");
  EXPECT_NE(missing_question(chat(R"({"messages":[{"role":"system","content":"x"}]})").conversation), "");
}

TEST(Conversation, InputIsNormalisedToItemsWithIds) {
  const Read text = input(R"({"input":"问题"})");
  ASSERT_EQ(text.items.size(), 1u);
  EXPECT_EQ(text.items[0].at("role"), "user");
  EXPECT_EQ(text.items[0].at("content").at(0).at("type"), "input_text");
  EXPECT_TRUE(text.items[0].at("id").as_string().starts_with("msg_"));
  EXPECT_EQ(text.conversation.messages.at(0).content, "问题");

  const Read items = input(R"({"input":[{"role":"developer","content":"Be kind."},{"role":"user","content":"One"},
      {"id":"rs_1","type":"reasoning","summary":[]},{"id":"fs_1","type":"file_search_call","queries":["q"]},
      {"id":"msg_9","type":"message","role":"assistant","content":[{"type":"output_text","text":"1","annotations":[]}]},
      {"role":"user","content":[{"type":"input_text","text":"Two"}]}]})");
  EXPECT_EQ(items.param, "");
  EXPECT_EQ(items.items.size(), 6u);
  EXPECT_EQ(items.items[4].at("id"), "msg_9");
  EXPECT_EQ(items.conversation.instructions, "Be kind.");
  ASSERT_EQ(items.conversation.messages.size(), 3u);
  EXPECT_EQ(items.conversation.messages[1].content, "1");
  EXPECT_EQ(items.conversation.messages[2].content, "Two");
}

TEST(Conversation, InputMistakesAreNamed) {
  EXPECT_EQ(input(R"({})").param, "input");
  EXPECT_EQ(input(R"({"input":5})").param, "input");
  EXPECT_EQ(input(R"({"input":[5]})").param, "input[0]");
  EXPECT_EQ(input(R"({"input":[{"role":"user"}]})").param, "input[0].content");
  EXPECT_EQ(input(R"({"input":[{"role":"user","content":7}]})").param, "input[0].content");
  EXPECT_EQ(input(R"({"input":[{"role":"wizard","content":"x"}]})").param, "input[0].role");
  EXPECT_EQ(input(R"({"input":[{"type":"function_call_output","call_id":"c","output":"x"}]})").param, "input[0].type");
  EXPECT_EQ(input(R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})").param,
            "input[0].content[0].type");
}

}  // namespace
}  // namespace ragtime::api
