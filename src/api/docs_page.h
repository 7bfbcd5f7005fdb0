// /docs: the API as one self-contained HTML page, made from the table of routes and the OpenAPI document's schemas.
//
// No script and nothing from elsewhere, so that it works offline and under a strict content security policy.
// Pure; safe from any thread.
#pragma once

#include <span>
#include <string>

#include <boost/json/object.hpp>

#include "api/routes.h"

namespace ragtime::api {

std::string docs_page(std::span<const RouteSpec> routes, const boost::json::object& openapi);

// A command that calls the route on a local server.
std::string curl_example(const RouteSpec& route);

}  // namespace ragtime::api
