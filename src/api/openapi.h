// The OpenAPI 3.1 document, made from the table of routes. Pure; safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "api/routes.h"

namespace ragtime::api {

boost::json::object openapi_document(std::span<const RouteSpec> routes, const ServiceConfig& config);

// "/v1/models/{model...}" as OpenAPI writes it: "/v1/models/{model}".
std::string openapi_path(std::string_view pattern);
// The names in braces, in order.
std::vector<std::string> path_parameters(std::string_view pattern);
std::vector<std::string> words(std::string_view text);

}  // namespace ragtime::api
