// GET /v1/responses and GET /streaming/ws as WebSockets
#include "api/endpoints.h"
#include "api/event_socket.h"

namespace ragtime::api {
namespace {

http::Response open_socket(Environment& env, const http::Request& request, RequestContext& context,
                           Result<SocketRequest> (*read)(std::string_view message)) {
  return event_socket_reply(request, context, {read, env.config.answer_timeout, env.post});
}

}  // namespace

Task<Result<http::Response>> open_response_socket(Environment& env, http::Request& request, RequestContext& context) {
  co_return open_socket(env, request, context, read_response_create);
}

Task<Result<http::Response>> open_chat_socket(Environment& env, http::Request& request, RequestContext& context) {
  co_return open_socket(env, request, context, read_chat_message);
}

}  // namespace ragtime::api
