// The table of routes: the one place that says which paths exist, who may call them, and what they take and give.
// The router and the OpenAPI document are both made from it. Constant; safe from any thread.
#pragma once

#include <span>
#include <string_view>

#include "api/authentication.h"
#include "api/environment.h"

namespace ragtime::api {

enum class RouteKind {
  plain,   // JSON body in memory, the request timeout.
  answer,  // The same with the answer timeout.
  upload,  // The body is streamed to the handler, with the upload timeout and the file limit.
  websocket,  // Each message is a request of its own; the timeout is of the connection.
};

struct RouteSpec {
  std::string_view method;
  std::string_view pattern;  // As in http::Route.
  Scope scope = Scope::read;
  RouteKind kind = RouteKind::plain;
  std::string_view tag;  // Section of the documentation.
  std::string_view summary;
  std::string_view query;     // Names of query parameters, separated by spaces.
  std::string_view request;   // Schema in schemas.h; "" none, "bytes" raw, "multipart" the file form.
  std::string_view response;  // Schema in schemas.h; "bytes" raw, "text" plain text.
  std::string_view example;   // A request body, or a query string with its "?", for the curl examples.
  Endpoint endpoint = nullptr;
};

std::span<const RouteSpec> route_table();

}  // namespace ragtime::api
