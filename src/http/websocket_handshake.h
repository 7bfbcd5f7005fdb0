// The opening handshake of RFC 6455 § 4.2. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace ragtime::http {

// Whether the request asks for a WebSocket, properly or not.
bool asks_for_websocket(const Request& request);
// The value of Sec-WebSocket-Accept. Errors: unsupported (426: it does not ask, or for another version),
// invalid_argument (400: it asks badly).
Result<std::string> accept_websocket(const Request& request);
// What the client offers in Sec-WebSocket-Protocol, in its order.
std::vector<std::string_view> offered_subprotocols(const Headers& headers);

}  // namespace ragtime::http
