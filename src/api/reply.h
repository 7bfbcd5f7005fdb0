// Replies with a JSON or text body. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "http/message.h"

namespace ragtime::api {

namespace json = boost::json;

http::Response json_reply(const json::value& body, int status = 200);
http::Response json_text_reply(std::string body, int status = 200);
http::Response text_reply(std::string_view content_type, std::string body);
// The head of a server-sent event stream, never buffered on the way.
http::Response event_stream_reply();

// OpenAI's list; first_id and last_id come from the items' "id".
json::object list_object(std::vector<json::object> items, bool has_more);
// {"id","object","deleted":true}
json::object deleted_object(std::string_view id, std::string_view object);

}  // namespace ragtime::api
