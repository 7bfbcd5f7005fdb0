// A chat model for answers that are written here, over the gateway: the same pools, retries and commit point.
//
// Until the first output another endpoint or a fallback may take over; a stream that is cut later is unavailable.
#pragma once

#include <memory>
#include <string>

#include "llm/chat_model.h"
#include "llm/gateway.h"

namespace ragtime::llm {

// `name` is a model of the gateway, which outlives the chat model.
std::unique_ptr<ChatModel> make_gateway_chat_model(std::string name, Gateway& gateway);

}  // namespace ragtime::llm
