// The one table from ErrorCode to HTTP, and OpenAI's error body.
//
// Pure; safe from any thread.
#pragma once

#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "http/message.h"

namespace ragtime::api {

namespace json = boost::json;

enum class RetryAdvice { unsaid, yes, no };

// How an error appears on the wire. Empty `code` is null there.
struct ErrorShape {
  int status = 500;
  std::string_view type;
  std::string_view code;
  RetryAdvice retry = RetryAdvice::unsaid;
};

ErrorShape shape_of(ErrorCode code);

// {"message","type","param","code"}; a defect's message is replaced, since it says nothing to a caller.
json::object error_object(const Error& error);
http::Response error_response(const Error& error);
// For errors of HTTP itself, whose status is already decided.
http::Response error_response(int status, const Error& error);

}  // namespace ragtime::api
