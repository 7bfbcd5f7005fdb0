// /v1/vector_stores/{vector_store_id}/documents: what `ragtime ingest` puts, by path. The store may be named.
#include <fmt/format.h>

#include "api/blob_upload.h"
#include "api/endpoints.h"
#include "api/file_form.h"
#include "api/lookups.h"
#include "api/page_query.h"
#include "api/reply.h"
#include "api/wire.h"
#include "text/utf8.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kPathBytesMax = 4096;

std::string_view outcome_name(rag::IngestOutcome outcome) {
  switch (outcome) {
    case rag::IngestOutcome::added:
      return "added";
    case rag::IngestOutcome::replaced:
      return "replaced";
    case rag::IngestOutcome::unchanged:
      return "unchanged";
  }
  return "added";
}

json::object ingested_object(const rag::IngestResult& result, const std::string& store_id, const std::string& path) {
  return {{"object", "ragtime.document"},
          {"vector_store_id", store_id},
          {"file_id", result.file_id},
          {"path", path},
          {"outcome", outcome_name(result.outcome)},
          {"chunks", result.chunks},
          {"tokens", result.tokens}};
}

// Proxies and URL libraries merge the two slashes between the route and an absolute path.
std::string absolute_path(std::string path) {
  const bool drive = path.size() > 2 && std::isalpha(static_cast<unsigned char>(path[0])) && path[1] == ':';
  if (!path.starts_with('/') && !drive) path.insert(path.begin(), '/');
  return path;
}

Result<std::string> read_path(const http::Request& request) {
  std::string path = path_part(request, "path");
  const bool control = path.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos;
  if (path.empty() || path.size() > kPathBytesMax || control || !text::is_valid_utf8(path)) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("The path must be UTF-8 without line breaks, of 1 to {} bytes.", kPathBytesMax),
                      "path");
  }
  return absolute_path(std::move(path));
}

bool is_missing_default(const Environment& env, const http::Request& request, const Error& error) {
  return error.code == ErrorCode::not_found && path_part(request, "vector_store_id") == env.config.default_store;
}

Task<Result<storage::VectorStoreRecord>> store_to_write(Environment& env, http::Request& request,
                                                        RequestContext& context) {
  auto store = co_await find_store_by_id_or_name(env, path_part(request, "vector_store_id"), context);
  if (store.has_error() && is_missing_default(env, request, store.error())) {
    co_return co_await env.ingestor.ensure_store(context.tenant(), env.config.default_store, context);
  }
  co_return store;
}

Task<Result<storage::BlobInfo>> read_body(Environment& env, http::Request& request, RequestContext& context) {
  BlobUpload upload(env, context);
  while (true) {
    RAGTIME_CO_TRY(const std::string bytes, co_await request.body_reader->read_some());
    if (bytes.empty()) break;
    RAGTIME_CO_TRY_DONE(co_await upload.write(bytes));
  }
  co_return co_await upload.finish();
}

// The content that the path had so far; empty when it is new.
Task<Result<std::string>> former_content(Environment& env, std::string store_id, std::string path,
                                         RequestContext& context) {
  const auto find = [&] { return env.database.find_document_by_path(store_id, path); };
  auto former = co_await env.blocking.run(context, find);
  if (former.has_value()) co_return former->sha256;
  if (former.error().code == ErrorCode::not_found) co_return std::string();
  co_return former.error();
}

}  // namespace

Task<Result<http::Response>> put_document(Environment& env, http::Request& request, RequestContext& context) {
  rag::IngestFile file;
  RAGTIME_CO_TRY(file.path, read_path(request));
  RAGTIME_CO_TRY(const auto store, co_await store_to_write(env, request, context));
  RAGTIME_CO_TRY(file.blob, co_await read_body(env, request, context));
  file.tenant = context.tenant();
  file.store_id = store.id;
  file.filename = display_filename(file.path);
  const std::string path = file.path;
  const std::string sha256 = file.blob.sha256;
  const auto former = co_await former_content(env, store.id, path, context);
  auto result = co_await env.ingestor.ingest(std::move(file), context);
  co_await release_blob(env, sha256, context);
  if (former.has_value() && !former->empty() && *former != sha256) co_await drop_blob(env, *former, context);
  if (result.has_error()) co_return result.error();
  co_return json_reply(ingested_object(*result, store.id, path));
}

Task<Result<http::Response>> list_documents(Environment& env, http::Request& request, RequestContext& context) {
  std::vector<json::object> items;
  auto store = co_await find_store_by_id_or_name(env, path_part(request, "vector_store_id"), context);
  if (store.has_error()) {
    if (!is_missing_default(env, request, store.error())) co_return store.error();
    co_return json_reply(list_object(std::move(items), false));
  }
  const std::string prefix = query_value(request, "prefix");
  const auto list = [&] { return env.database.list_documents_by_path(store->id, prefix); };
  RAGTIME_CO_TRY(const auto documents, co_await env.blocking.run(context, list));
  for (const auto& document : documents) items.push_back(document_object(document, env.ingestor.is_current(document)));
  co_return json_reply(list_object(std::move(items), false));
}

Task<Result<http::Response>> delete_document(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const std::string path, read_path(request));
  RAGTIME_CO_TRY(const auto store,
                 co_await find_store_by_id_or_name(env, path_part(request, "vector_store_id"), context));
  auto document =
      co_await env.blocking.run(context, [&] { return env.database.find_document_by_path(store.id, path); });
  if (document.has_error()) {
    co_return explain_not_found(document.error(), fmt::format("No document '{}' is in this vector store.", path),
                                "path");
  }
  RAGTIME_CO_TRY_DONE(co_await env.engine.remove_file(context.tenant(), document->file_id, context));
  co_await drop_blob(env, document->sha256, context);
  json::object deleted = deleted_object(document->file_id, "ragtime.document.deleted");
  deleted["path"] = path;
  co_return json_reply(deleted);
}

}  // namespace ragtime::api
