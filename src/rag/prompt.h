// Prompt: the conversation as a chat model gets it: rules, numbered sources within a token budget, history, question.
// Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "llm/chat_model.h"

namespace ragtime::rag {

struct Prompt {
  std::vector<llm::ChatMessage> messages;
  std::vector<const engine::SearchHit*> sources;  // sources[0] is numbered 1. Point into the hits given.
};

// The content of the last user message; empty when there is none.
std::string_view last_question(const std::vector<llm::ChatMessage>& messages);

// What to search for: the last user message; a very short one that follows another is searched together with it.
std::string derive_query(const std::vector<llm::ChatMessage>& messages);

// Over documents: rules and as many hits, best first, as `context_tokens_max` holds (a long first one is cut) stand in
// one system message, after the caller's instructions and system messages. Sources are data: they are fenced, and the
// model is told not to obey them. Precondition: `hits` outlives the prompt.
Prompt build_prompt(const std::vector<llm::ChatMessage>& messages, std::string_view instructions,
                    const std::vector<engine::SearchHit>& hits, std::size_t context_tokens_max);

// Without documents: the instructions and the conversation.
std::vector<llm::ChatMessage> build_plain_prompt(const std::vector<llm::ChatMessage>& messages,
                                                 std::string_view instructions);

}  // namespace ragtime::rag
