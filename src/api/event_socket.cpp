#include "api/event_socket.h"

#include <memory>
#include <utility>

#include <boost/json/parse.hpp>

#include "api/errors.h"
#include "api/json_reader.h"
#include "api/json_text.h"
#include "http/sse.h"
#include "http/websocket.h"
#include "http/websocket_handshake.h"

namespace ragtime::api {
namespace {

constexpr std::string_view kDone = "[DONE]";

// Takes server-sent events and sends the data of each as a frame.
class EventFrames final : public http::StreamWriter {
 public:
  explicit EventFrames(http::WebSocket& socket) : socket_(socket) {}

  Task<Result<void>> write(std::string_view bytes) override {
    for (const http::SseEvent& event : parser_.feed(bytes)) {
      if (event.data == kDone) continue;
      RAGTIME_CO_TRY_DONE(co_await socket_.send(event.data));
    }
    co_return Result<void>();
  }

 private:
  http::WebSocket& socket_;
  http::SseParser parser_;
};

// {"type":"error","status":…,"error":{…}} from the body of an error reply.
std::string error_frame(const http::Response& reply) {
  boost::system::error_code failure;
  const json::value body = json::parse(json::string_view(reply.body), failure);
  json::object event;
  event["type"] = "error";
  event["status"] = reply.status;
  const json::object* object = failure ? nullptr : body.if_object();
  if (object != nullptr && object->contains("error")) event["error"] = object->at("error");
  return json_text(event);
}

Task<Result<void>> send_reply(http::WebSocket& socket, const http::Response& reply) {
  if (reply.stream) {
    EventFrames frames(socket);
    co_await reply.stream(frames);
    co_return Result<void>();
  }
  const std::string text = reply.status >= 400 ? error_frame(reply) : reply.body;
  co_return co_await socket.send(text);
}

// One message: a request with the fields of the one that opened the socket.
Task<Result<void>> answer_message(const SocketRoute& route, const http::Request& opening, http::WebSocket& socket,
                                  std::string message, RequestContext& context) {
  auto asked = route.read(message);
  if (asked.has_error()) {
    const http::Response refusal = error_response(asked.error());
    co_return co_await send_reply(socket, refusal);
  }
  http::Request request;
  request.method = "POST";
  request.path = asked->pattern;
  request.headers = opening.headers;
  request.remote_address = opening.remote_address;
  request.attachment = opening.attachment;
  request.body = std::move(asked->body);
  RequestContext answering(context, Deadline::after(route.timeout));
  const http::Response reply = co_await route.answer(asked->pattern, request, answering);
  co_return co_await send_reply(socket, reply);
}

Task<> serve_messages(std::shared_ptr<const SocketRoute> route, const http::Request& opening, http::WebSocket& socket,
                      RequestContext& context) {
  while (auto message = co_await socket.receive()) {
    if (!message->text) {
      socket.close(http::WebSocketClose::unsupported, "messages are JSON texts");
      co_return;
    }
    auto sent = co_await answer_message(*route, opening, socket, std::move(message->data), context);
    if (sent.has_error()) co_return;
  }
}

// The first that is not a key; a client that offers its key alone gets it back, since browsers insist on an answer.
std::string choose_subprotocol(const http::Headers& headers) {
  const auto offered = http::offered_subprotocols(headers);
  for (const std::string_view each : offered) {
    if (!each.starts_with(kKeySubprotocol)) return std::string(each);
  }
  return offered.empty() ? std::string() : std::string(offered.front());
}

}  // namespace

std::string_view key_of_subprotocols(const http::Headers& headers) {
  for (const std::string_view each : http::offered_subprotocols(headers)) {
    if (each.starts_with(kKeySubprotocol)) return each.substr(kKeySubprotocol.size());
  }
  return {};
}

Result<SocketRequest> read_chat_message(std::string_view message) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(message));
  const bool with_metadata = document.root()["metadata"].present();
  return SocketRequest{with_metadata ? "/streaming/chat/with-metadata" : "/streaming/chat", std::string(message)};
}

Result<SocketRequest> read_response_create(std::string_view message) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(message));
  const std::string type = document.root()["type"].string();
  if (document.status().has_value() && type != "response.create") {
    document.root()["type"].reject("The only message of a client is 'response.create'.");
  }
  RAGTIME_TRY_DONE(document.status());
  json::object body = document.object();
  body.erase("type");
  body["stream"] = true;
  return SocketRequest{"/v1/responses", json_text(body)};
}

http::Response event_socket_reply(const http::Request& opening, RequestContext& context, SocketRoute route) {
  http::Response reply;
  reply.subprotocol = choose_subprotocol(opening.headers);
  const auto shared = std::make_shared<const SocketRoute>(std::move(route));
  reply.websocket = [shared, &opening, &context](http::WebSocket& socket) {
    return serve_messages(shared, opening, socket, context);
  };
  return reply;
}

}  // namespace ragtime::api
