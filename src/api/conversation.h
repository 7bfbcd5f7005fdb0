// Conversations of the two answer routes: chat `messages` and response `input`, as text for the answerer.
//
// Response items are kept as JSON in one normal form, because stored responses give them back. Pure but for ids.
#pragma once

#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "api/json_reader.h"
#include "llm/chat_model.h"

namespace ragtime::api {

inline constexpr std::size_t kMessagesMax = 2048;

struct Conversation {
  std::string instructions;  // Every system and developer message, in order.
  std::vector<llm::ChatMessage> messages;
};

// The `messages` of chat completions. Parts that are not text, and tool messages, are mistakes.
Conversation read_chat_messages(const JsonNode& messages);

// The `input` of a response: a text or items, each with an id and its content as parts.
json::array read_input_items(const JsonNode& input);
// What the items say, earlier output included; items that are not messages say nothing.
Conversation conversation_of(const json::array& items);

// Nothing when there is a question to answer, else what is wrong.
std::string missing_question(const Conversation& conversation);

}  // namespace ragtime::api
