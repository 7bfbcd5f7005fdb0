// The head of a reply as bytes. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace ragtime::http {

struct ReplyFraming {
  enum class Body { none, sized, chunked, until_close } body = Body::sized;
  std::size_t body_bytes = 0;  // When sized.
  bool http_1_1 = true;
  bool keep_alive = true;
  bool upgrade = false;  // To another protocol; keep_alive does not count.
};

// Framing fields of the response itself are left out: they are the server's. Line ends inside a value become spaces.
std::string format_reply_head(const Response& response, const ReplyFraming& framing, std::string_view request_id,
                              std::string_view date);

// IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_http_date(std::int64_t unix_seconds);

// Whether a reply of that status may carry a body at all (RFC 9110 § 6.4.1).
bool status_has_body(int status);

// The method as a metric label: itself when it is a standard one, else "OTHER".
std::string_view method_label(std::string_view method);

// An id that a client sent: up to 128 letters, digits, '.', '_' and '-'.
bool acceptable_request_id(std::string_view id);

}  // namespace ragtime::http
