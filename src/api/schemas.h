// The JSON Schemas of the API's bodies, as one JSON object text by name. Constant.
#pragma once

#include <string_view>

namespace ragtime::api {

// Schemas refer to each other as {"$ref": "#/components/schemas/NAME"}.
std::string_view request_schemas();
std::string_view response_schemas();

}  // namespace ragtime::api
