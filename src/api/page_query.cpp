#include "api/page_query.h"

#include <charconv>

#include <fmt/format.h>

namespace ragtime::api {
namespace {

Result<int> read_limit(std::string_view text, int limit_max) {
  int limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit < 1 || limit > limit_max) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("Invalid 'limit': must be an integer between 1 and {}.", limit_max), "limit");
  }
  return limit;
}

}  // namespace

std::string query_value(const http::Request& request, std::string_view name) {
  const auto found = request.query.find(std::string(name));
  return found == request.query.end() ? std::string() : found->second;
}

Result<storage::PageRequest> read_page(const http::Request& request, int limit_default, int limit_max) {
  storage::PageRequest page;
  page.after = query_value(request, "after");
  page.before = query_value(request, "before");
  page.limit = limit_default;
  if (const std::string limit = query_value(request, "limit"); !limit.empty()) {
    RAGTIME_TRY(page.limit, read_limit(limit, limit_max));
  }
  const std::string order = query_value(request, "order");
  if (!order.empty() && order != "asc" && order != "desc") {
    return make_error(ErrorCode::invalid_argument, "Invalid 'order': supported values are 'asc' and 'desc'.", "order");
  }
  page.ascending = order == "asc";
  return page;
}

Error page_error(Error error) {
  if (error.code != ErrorCode::not_found) return error;
  return make_error(ErrorCode::not_found, "The cursor in 'after' or 'before' names nothing in this list.", "after");
}

}  // namespace ragtime::api
