// /v1/vector_stores
#include <fmt/format.h>

#include "api/attachments.h"
#include "api/endpoints.h"
#include "api/filters.h"
#include "api/json_reader.h"
#include "api/lookups.h"
#include "api/page_query.h"
#include "api/reply.h"
#include "api/wire.h"
#include "base/id.h"

namespace ragtime::api {
namespace {

constexpr std::size_t kNameCharsMax = 256;
constexpr std::size_t kDescriptionCharsMax = 1024;
constexpr int kStoresLimitMax = 100;

std::optional<std::int64_t> read_expiry(const JsonNode& node) {
  if (!node.present()) return std::nullopt;
  node["anchor"].choice({"last_active_at"});
  return node["days"].integer(1, 365);
}

// `null` is what is configured; what is left out stays.
void read_setting(const JsonNode& node, std::string_view key, double max, std::optional<double>& setting) {
  if (!node.present() || !node.is_object() || !node.value().as_object().contains(key)) return;
  setting = node[key].optional_number(0, max);
}

void read_ranking(const JsonNode& node, storage::RankingSettings& ranking) {
  const JsonNode bm25 = node["bm25"];
  if (node.is_object() && node.value().as_object().contains("bm25") && !bm25.present()) ranking = {};
  if (bm25.present() && !bm25.is_object()) bm25.reject_type("an object");
  read_setting(bm25, "k1", 10, ranking.k1);
  read_setting(bm25, "b", 1, ranking.b);
  read_setting(bm25, "heading_weight", 10, ranking.heading_weight);
}

// Takes what the request says about the store itself; what it does not say stays.
void read_store_fields(const JsonNode& root, storage::VectorStoreRecord& store) {
  if (auto name = root["name"].optional_string(kNameCharsMax)) store.name = std::move(*name);
  if (auto text = root["description"].optional_string(kDescriptionCharsMax)) store.description = std::move(*text);
  if (root["metadata"].present()) store.metadata = read_metadata(root["metadata"]);
  if (root["expires_after"].present()) store.expires_after_days = read_expiry(root["expires_after"]);
  read_ranking(root["ragtime"], store.ranking);
}

struct CreateStore {
  storage::VectorStoreRecord store;
  Attachments files;
};

Result<CreateStore> read_create(const Environment& env, const RequestContext& context, const std::string& body) {
  RAGTIME_TRY(const JsonDocument document, JsonDocument::parse(body));
  const JsonNode root = document.root();
  CreateStore create;
  create.store.id = make_id("vs_");
  create.store.tenant = context.tenant();
  create.store.created_at = env.clock.unix_seconds();
  create.store.last_active_at = create.store.created_at;
  read_store_fields(root, create.store);
  create.files = read_file_ids(root);
  RAGTIME_TRY_DONE(document.status());
  return create;
}

void log_leftover(Environment& env, const std::string& store_id, const Error& error) {
  env.log.warning("store_not_removed",
                  {{"store", std::string_view(store_id)}, {"message", std::string_view(error.message)}});
}

// A store without the files that it was asked for would surprise more than none.
Task<> undo_create(Environment& env, std::string store_id, RequestContext& context) {
  auto removed = co_await env.engine.remove_store(context.tenant(), store_id, context);
  if (removed.has_error()) log_leftover(env, store_id, removed.error());
}

// Who reads that files are completed may search them at once.
Task<Result<json::object>> shown_store(Environment& env, storage::VectorStoreRecord store, RequestContext& context) {
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  co_return vector_store_object(store, env.clock.unix_seconds());
}

}  // namespace

Task<Result<http::Response>> create_vector_store(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const CreateStore create, read_create(env, context, request.body));
  const auto insert = [&]() -> Result<void> {
    RAGTIME_TRY_DONE(check_files(env.database, context.tenant(), create.files.file_ids(), create.files.params()));
    return env.database.insert_store(create.store);
  };
  RAGTIME_CO_TRY_DONE(co_await env.blocking.run(context, insert));
  if (!create.files.items.empty()) {
    auto attached = co_await attach_batch(env, create.store.id, create.files, context);
    if (attached.has_error()) {
      co_await undo_create(env, create.store.id, context);
      co_return attached.error();
    }
  }
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, create.store.id, context));
  RAGTIME_CO_TRY(auto object, co_await shown_store(env, store, context));
  co_return json_reply(std::move(object));
}

Task<Result<http::Response>> list_vector_stores(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const storage::PageRequest page, read_page(request, 20, kStoresLimitMax));
  auto stores = co_await env.blocking.run(context, [&] { return env.database.list_stores(context.tenant(), page); });
  if (stores.has_error()) co_return page_error(stores.error());
  RAGTIME_CO_TRY_DONE(co_await env.engine.await_indexed(context));
  std::vector<json::object> items;
  const std::int64_t now = env.clock.unix_seconds();
  for (const auto& store : stores->items) items.push_back(vector_store_object(store, now));
  co_return json_reply(list_object(std::move(items), stores->has_more));
}

Task<Result<http::Response>> get_vector_store(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  RAGTIME_CO_TRY(auto object, co_await shown_store(env, store, context));
  object["index"] = index_object(env.engine.index_report(store.id));
  co_return json_reply(std::move(object));
}

Task<Result<http::Response>> update_vector_store(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const JsonDocument document, JsonDocument::parse(request.body));
  RAGTIME_CO_TRY(auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  read_store_fields(document.root(), store);
  const json::value* expiry = document.object().if_contains("expires_after");
  if (expiry && expiry->is_null()) store.expires_after_days.reset();
  RAGTIME_CO_TRY_DONE(document.status());
  RAGTIME_CO_TRY(const auto updated, co_await env.engine.update_store(std::move(store), context));
  RAGTIME_CO_TRY(auto object, co_await shown_store(env, updated, context));
  co_return json_reply(std::move(object));
}

Task<Result<http::Response>> delete_vector_store(Environment& env, http::Request& request, RequestContext& context) {
  RAGTIME_CO_TRY(const auto store, co_await find_store(env, path_part(request, "vector_store_id"), context));
  RAGTIME_CO_TRY_DONE(co_await env.engine.remove_store(context.tenant(), store.id, context));
  co_return json_reply(deleted_object(store.id, "vector_store.deleted"));
}

}  // namespace ragtime::api
