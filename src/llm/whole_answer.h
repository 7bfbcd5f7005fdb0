// Whole answers of /chat/completions and /completions: whether a body is one, and as a stream. Pure.
//
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "llm/chat_model.h"
#include "llm/json_cursor.h"
#include "llm/upstream_fault.h"

namespace ragtime::llm {

// What is wrong with the body of a 200; nothing when it is an answer. Fills `usage` when it has one.
std::optional<UpstreamFault> check_whole_answer(std::string_view body, std::optional<ChatUsage>& usage);

// The answer as the events of a stream, with "[DONE]", for servers that do not stream.
// Precondition: check_whole_answer() found nothing wrong.
std::string events_of_answer(std::string_view body);

// The numbers of a "usage" member; passes over it.
std::optional<ChatUsage> read_usage(JsonCursor& cursor);
// Of vLLM, for a request that it could not serve.
bool gives_up(std::string_view raw_finish_reason);

}  // namespace ragtime::llm
