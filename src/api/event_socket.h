// EventSocket: a WebSocket whose messages are requests of the HTTP surface, and whose answers are the events that the
// same request gets as server-sent events, one text frame each.
//
// Every message is answered as a request of its own (limits, deadline, errors), one after another; what comes meanwhile
// waits in the connection's bounded queue. Thread safety: pure functions; a socket belongs to its connection's loop.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/request_context.h"
#include "base/result.h"
#include "http/message.h"

namespace ragtime::api {

// The request that a message stands for: the route's pattern and the JSON body.
struct SocketRequest {
  std::string_view pattern;
  std::string body;
};

// {"message", …} → POST /streaming/chat, with "metadata" POST /streaming/chat/with-metadata.
Result<SocketRequest> read_chat_message(std::string_view message);
// {"type": "response.create", …} → POST /v1/responses, streamed.
Result<SocketRequest> read_response_create(std::string_view message);

// What a browser, which cannot set Authorization, offers as a subprotocol to present its key.
inline constexpr std::string_view kKeySubprotocol = "openai-insecure-api-key.";
// The key among the offered subprotocols, or "".
std::string_view key_of_subprotocols(const http::Headers& headers);

struct SocketRoute {
  Result<SocketRequest> (*read)(std::string_view message);
  std::chrono::milliseconds timeout;  // Of one answer.
  // Answers a POST to the pattern; request and context live until its stream has ended.
  std::function<Task<http::Response>(std::string_view pattern, http::Request& request, RequestContext& context)> answer;
};

// The reply to the request that opens the socket, which outlives the connection, as its context does.
http::Response event_socket_reply(const http::Request& opening, RequestContext& context, SocketRoute route);

}  // namespace ragtime::api
