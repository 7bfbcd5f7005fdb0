#include "api/reply.h"

#include <boost/json/array.hpp>

#include "api/json_text.h"

namespace ragtime::api {

http::Response json_text_reply(std::string body, int status) {
  http::Response response;
  response.status = status;
  response.headers.set("content-type", "application/json");
  response.body = std::move(body);
  return response;
}

http::Response json_reply(const json::value& body, int status) {
  return json_text_reply(json_text(body), status);
}

http::Response text_reply(std::string_view content_type, std::string body) {
  http::Response response;
  response.headers.set("content-type", content_type);
  response.body = std::move(body);
  return response;
}

http::Response event_stream_reply() {
  http::Response response;
  response.headers.set("content-type", "text/event-stream; charset=utf-8");
  response.headers.set("cache-control", "no-cache");
  response.headers.set("x-accel-buffering", "no");
  return response;
}

json::object list_object(std::vector<json::object> items, bool has_more) {
  const auto id_of = [](const json::object& item) -> json::value {
    const json::value* id = item.if_contains("id");
    return id ? *id : json::value(nullptr);
  };
  json::object list;
  list["object"] = "list";
  list["first_id"] = items.empty() ? json::value(nullptr) : id_of(items.front());
  list["last_id"] = items.empty() ? json::value(nullptr) : id_of(items.back());
  list["has_more"] = has_more;
  json::array data;
  data.reserve(items.size());
  for (json::object& item : items) data.push_back(std::move(item));
  list["data"] = std::move(data);
  return list;
}

json::object deleted_object(std::string_view id, std::string_view object) {
  return {{"id", id}, {"object", object}, {"deleted", true}};
}

}  // namespace ragtime::api
