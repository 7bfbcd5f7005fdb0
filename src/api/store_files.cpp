// /v1/vector_stores/{vector_store_id}/files
#include <fmt/format.h>

#include "api/attachments.h"
#include "api/endpoints.h"
#include "api/lookups.h"
#include "api/page_query.h"
#include "api/reply.h"
#include "api/store_file_pages.h"
#include "api/wire.h"

namespace ragtime::api {
namespace {

Error document_not_found(const Error& error, const std::string& file_id) {
  return explain_not_found(error, fmt::format("No file '{}' is in this vector store.", file_id), "file_id");
}

// A store's document, after the check that the store is the tenant's.
Task<Result<storage::DocumentRecord>> find_document(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  const std::string file_id = path_part(request, "file_id");
  auto document = co_await env.blocking.run(context, [&] { return env.database.get_document(store.id, file_id); });
  if (document.has_error()) co_return document_not_found(document.error(), file_id);
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  co_return document;
}

http::Response document_reply(Environment& env, const storage::DocumentRecord& document) {
  http::Response response = json_reply(store_file_object(document));
  if (document.status == storage::DocumentStatus::in_progress) {
    response.headers.set("openai-poll-after-ms", poll_after_ms(env));
  }
  return response;
}

json::object content_page(const std::string& filename, const std::string& text) {
  json::array data;
  data.push_back(json::object{{"type", "text"}, {"text", text}});
  json::object page{{"object", "vector_store.file_content.page"}, {"has_more", false}, {"next_page", nullptr}};
  page["filename"] = filename;
  page["data"] = std::move(data);
  return page;
}

// Attaching what is attached already gives what is there, so that a repeated request does no harm; after a failure it
// starts over.
Task<Result<void>> attach(Environment& env, const storage::DocumentRecord& document, RequestContext& context) {
  const auto insert = [&] { return env.database.insert_document(document); };
  auto inserted = co_await env.blocking.run(context, insert);
  if (inserted.has_error() && inserted.error().code == ErrorCode::conflict) {
    const auto get = [&] { return env.database.get_document(document.store_id, document.file_id); };
    RAGTIME_CO_TRY(const auto present, co_await env.blocking.run(context, get));
    const bool alive =
        present.status == storage::DocumentStatus::in_progress || present.status == storage::DocumentStatus::completed;
    if (alive) co_return Result<void>();
    RAGTIME_CO_TRY_DONE(
        co_await env.engine.remove_document(context.tenant(), document.store_id, document.file_id, context));
    inserted = co_await env.blocking.run(context, insert);
  }
  if (inserted.has_error()) co_return inserted.error();
  env.ingestor.enqueue(context.tenant(), document.store_id, document.file_id);
  co_return Result<void>();
}

Result<Attachment> read_create(const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  Attachment attachment = read_attachment(document.root());
  RAGTIME_TRY_DONE(document.status());
  return attachment;
}

Result<Attributes> read_update(const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode node = document.root()["attributes"];
  if (!document.object().contains("attributes")) node.reject_missing();
  Attributes attributes = read_attributes(node);
  RAGTIME_TRY_DONE(document.status());
  return attributes;
}

}  // namespace

Task<Result<http::Response>> create_store_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const Attachment attachment, read_create(request.body));
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  RAGTIME_CO_TRY(const auto file, co_await find_file(env, attachment.file_id, context));
  const storage::DocumentRecord document = make_document(env, store.id, attachment);
  RAGTIME_CO_TRY_DONE(co_await attach(env, document, context));
  const auto get = [&] { return env.database.get_document(store.id, file.id); };
  RAGTIME_CO_TRY(const auto attached, co_await env.blocking.run(context, get));
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  co_return document_reply(env, attached);
}

Task<Result<http::Response>> list_store_files(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  co_return co_await store_file_page(env, request, store.id, "", context);
}

Task<Result<http::Response>> get_store_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto document, co_await find_document(env, request, context));
  co_return document_reply(env, document);
}

Task<Result<http::Response>> update_store_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(Attributes attributes, read_update(request.body));
  RAGTIME_CO_TRY(auto document, co_await find_document(env, request, context));
  RAGTIME_CO_TRY_DONE(
      co_await env.engine.set_attributes(context.tenant(), document.store_id, document.file_id, attributes, context));
  document.attributes = std::move(attributes);
  co_return document_reply(env, document);
}

Task<Result<http::Response>> delete_store_file(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto document, co_await find_document(env, request, context));
  RAGTIME_CO_TRY_DONE(
      co_await env.engine.remove_document(context.tenant(), document.store_id, document.file_id, context));
  co_return json_reply(deleted_object(document.file_id, "vector_store.file.deleted"));
}

Task<Result<http::Response>> get_store_file_content(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto document, co_await find_document(env, request, context));
  const auto get = [&] { return env.database.get_document_text(document.store_id, document.file_id); };
  auto text = co_await env.blocking.run(context, get);
  if (text.has_error()) {
    co_return explain_not_found(text.error(), "This file has no text yet; its status tells more.", "file_id");
  }
  co_return json_reply(content_page(document.filename, *text));
}

}  // namespace ragtime::api
