// /v1/vector_stores/{vector_store_id}/file_batches
#include <fmt/format.h>

#include "api/attachments.h"
#include "api/endpoints.h"
#include "api/lookups.h"
#include "api/reply.h"
#include "api/store_file_pages.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

// Who reads that files are completed may search them at once.
Task<Result<http::Response>> batch_reply(Environment& env, storage::BatchRecord batch, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  http::Response response = json_reply(batch_object(batch));
  if (batch.file_counts.in_progress > 0) response.headers.set("openai-poll-after-ms", poll_after_ms(env));
  co_return response;
}

Result<Attachments> read_create(const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  Attachments files = read_batch(document.root());
  RAGTIME_TRY_DONE(document.status());
  return files;
}

Task<Result<storage::BatchRecord>> find_batch(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  const std::string id = path_part(request, "batch_id");
  auto batch = co_await env.blocking.run(context, [&] { return env.database.get_batch(store.id, id); });
  if (batch.has_error()) {
    co_return explain_not_found(batch.error(), fmt::format("No file batch '{}' is in this vector store.", id),
                                "batch_id");
  }
  co_return batch;
}

}  // namespace

Task<Result<http::Response>> create_file_batch(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const Attachments files, read_create(request.body));
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  const auto check = [&] { return check_files(env.database, context.tenant(), files.file_ids(), files.params()); };
  RAGTIME_CO_TRY_DONE(co_await env.blocking.run(context, check));
  auto batch = co_await attach_batch(env, store.id, files, context);
  if (batch.has_error() && batch.error().code == ErrorCode::conflict) {
    co_return make_error(ErrorCode::conflict, "A file of this batch is already in the vector store; nothing was added.",
                         files.items.front().param);
  }
  if (batch.has_error()) co_return batch.error();
  co_return co_await batch_reply(env, *batch, context);
}

Task<Result<http::Response>> get_file_batch(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto batch, co_await find_batch(env, request, context));
  co_return co_await batch_reply(env, batch, context);
}

Task<Result<http::Response>> cancel_file_batch(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto batch, co_await find_batch(env, request, context));
  const auto cancel = [&]() -> Result<storage::BatchRecord> {
    RAGTIME_TRY_DONE(env.database.cancel_batch(batch.store_id, batch.id));
    return env.database.get_batch(batch.store_id, batch.id);
  };
  RAGTIME_CO_TRY(const auto cancelled, co_await env.blocking.run(context, cancel));
  co_return co_await batch_reply(env, cancelled, context);
}

Task<Result<http::Response>> list_file_batch_files(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto batch, co_await find_batch(env, request, context));
  co_return co_await store_file_page(env, request, batch.store_id, batch.id, context);
}

}  // namespace ragtime::api
