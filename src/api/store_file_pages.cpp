#include "api/store_file_pages.h"

#include "api/page_query.h"
#include "api/reply.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

constexpr int kStoreFilesLimitMax = 100;

Result<std::optional<storage::DocumentStatus>> read_status(const http::Request& request) {
  using storage::DocumentStatus;
  const std::string filter = query_value(request, "filter");
  if (filter.empty()) return std::optional<DocumentStatus>();
  for (const auto status :
       {DocumentStatus::in_progress, DocumentStatus::completed, DocumentStatus::failed, DocumentStatus::cancelled}) {
    if (filter == status_name(status)) return std::optional(status);
  }
  return make_error(ErrorCode::invalid_argument,
                    "Invalid 'filter': supported values are 'in_progress', 'completed', 'failed' and 'cancelled'.",
                    "filter");
}

}  // namespace

Task<Result<http::Response>> store_file_page(Environment& env, http::Request& request, std::string store_id,
                                             std::string batch_id, RequestContext& context) {
  RAGTIME_CO_TRY(const storage::PageRequest page, read_page(request, 20, kStoreFilesLimitMax));
  RAGTIME_CO_TRY(const auto status, read_status(request));
  auto documents =
      co_await env.blocking.run(context, [&] { return env.database.list_documents(store_id, batch_id, status, page); });
  if (documents.has_error()) co_return page_error(documents.error());
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  std::vector<boost::json::object> items;
  for (const auto& document : documents->items) items.push_back(store_file_object(document));
  co_return json_reply(list_object(std::move(items), documents->has_more));
}

}  // namespace ragtime::api
