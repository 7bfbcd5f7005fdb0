// GET and DELETE /v1/responses/{response_id}, and its input items.
#include <algorithm>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "api/endpoints.h"
#include "api/lookups.h"
#include "api/page_query.h"
#include "api/reply.h"

namespace ragtime::api {
namespace {

Task<Result<storage::ResponseRecord>> find_response(Environment& env, http::Request& request, RequestContext& context) {
  const std::string id = path_part(request, "response_id");
  auto record = co_await env.blocking.run(context, [&] { return env.database.get_response(context.tenant(), id); });
  if (record.has_error()) {
    co_return explain_not_found(record.error(), fmt::format("No response '{}' exists.", id), "response_id");
  }
  co_return record;
}

std::string id_of(const json::object& item) {
  const json::value* id = item.if_contains("id");
  return id && id->is_string() ? std::string(id->get_string()) : std::string();
}

Result<std::vector<json::object>> items_of(const storage::ResponseRecord& record) {
  boost::system::error_code error;
  const json::value parsed = json::parse(record.input_items, error);
  if (error || !parsed.is_array()) {
    return make_error(ErrorCode::corrupt, fmt::format("The stored response '{}' is damaged.", record.id));
  }
  std::vector<json::object> items;
  for (const json::value& item : parsed.get_array()) {
    if (item.is_object()) items.push_back(item.get_object());
  }
  return items;
}

Result<json::object> page_of(std::vector<json::object> items, const storage::PageRequest& page) {
  if (!page.ascending) std::reverse(items.begin(), items.end());
  const auto position = [&](const std::string& id) {
    return std::find_if(items.begin(), items.end(), [&](const json::object& item) { return id_of(item) == id; });
  };
  if (!page.before.empty()) {
    const auto end = position(page.before);
    if (end == items.end()) return page_error(make_error(ErrorCode::not_found, ""));
    items.erase(end, items.end());
  }
  if (!page.after.empty()) {
    const auto begin = position(page.after);
    if (begin == items.end()) return page_error(make_error(ErrorCode::not_found, ""));
    items.erase(items.begin(), begin + 1);
  }
  const bool has_more = items.size() > static_cast<std::size_t>(page.limit);
  if (has_more) items.resize(static_cast<std::size_t>(page.limit));
  return list_object(std::move(items), has_more);
}

}  // namespace

Task<Result<http::Response>> get_response(Environment& env, http::Request& request, RequestContext& context) {
  if (query_value(request, "stream") == "true") {
    co_return make_error(ErrorCode::invalid_argument, "Stored responses cannot be streamed again.", "stream");
  }
  RAGTIME_CO_TRY(auto record, co_await find_response(env, request, context));
  co_return json_text_reply(std::move(record.body));
}

Task<Result<http::Response>> delete_response(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto record, co_await find_response(env, request, context));
  const auto remove = [&] { return env.database.delete_response(context.tenant(), record.id); };
  RAGTIME_CO_TRY_DONE(co_await env.blocking.run(context, remove));
  co_return json_reply(deleted_object(record.id, "response.deleted"));
}

Task<Result<http::Response>> list_input_items(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const storage::PageRequest page, read_page(request, 20, 100));
  RAGTIME_CO_TRY(const auto record, co_await find_response(env, request, context));
  RAGTIME_CO_TRY(auto items, items_of(record));
  RAGTIME_CO_TRY(const json::object list, page_of(std::move(items), page));
  co_return json_reply(list);
}

}  // namespace ragtime::api
