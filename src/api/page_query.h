// Reads the query parameters of list routes: after, before, limit, order. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"
#include "storage/records.h"

namespace ragtime::api {

// Errors: invalid_argument for a limit outside 1..limit_max or an unknown order.
Result<storage::PageRequest> read_page(const http::Request& request, int limit_default, int limit_max);
// A query parameter, or "" when absent.
std::string query_value(const http::Request& request, std::string_view name);
// The error of a list call, with a message about the cursor when that is what was not found.
Error page_error(Error error);

}  // namespace ragtime::api
