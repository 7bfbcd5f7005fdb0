// Fallbacks: what failed, by kind, and what is said when nothing can answer. Pure; safe from any thread.
//
//   kind              stands in, in this order
//   llm_timeout       a remembered answer · the extractive model, over documents · the configured message
//   llm_unavailable   the same
//   llm_overloaded    the same
//   llm_refused       the same, over documents only: else the client's request was wrong, and it is told so
//   search            a remembered answer · the conversation without documents (a chat model) · the configured message
//   embedding         search by words alone
//   rerank            the order of fusion
//
// (Other models of the configuration come before these; see llm/gateway.h.)
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "rag/answer.h"

namespace ragtime::rag {

// "llm_timeout", "llm_overloaded", "llm_refused", "llm_unavailable".
std::string_view model_failure_kind(const Error& error);

// "llm_timeout:chat→cache"
std::string degraded_entry(std::string_view kind, std::string_view what, std::string_view replacement);

// Whether a failed search is one that others can stand in for: not the caller's mistake.
bool is_replaceable_search(const Error& error);

// The configured message in the question's language; empty: none.
std::string fallback_message(const DegradationConfig& config, std::string_view question);

}  // namespace ragtime::rag
