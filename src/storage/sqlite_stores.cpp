#include "storage/columns_json.h"
#include "storage/page_query.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

constexpr std::string_view kStoreColumns =
    "s.id, s.tenant, s.name, s.description, s.metadata, s.created_at, s.last_active_at, s.expires_after_days,"
    " s.embedding_model, s.embedding_dimensions, s.bm25_k1, s.bm25_b, s.heading_weight,"
    " s.files_in_progress, s.files_completed, s.files_failed, s.files_cancelled, s.usage_bytes";

std::string select_stores() {
  return "SELECT " + std::string(kStoreColumns);
}

Result<VectorStoreRecord> read_store(const Statement& row) {
  Columns columns(row);
  VectorStoreRecord store;
  store.id = columns.text();
  store.tenant = columns.text();
  store.name = columns.text();
  store.description = columns.text();
  RAGTIME_TRY(store.metadata, decode_metadata(columns.text()));
  store.created_at = columns.integer();
  store.last_active_at = columns.integer();
  store.expires_after_days = columns.optional_integer();
  store.embedding_model = columns.text();
  store.embedding_dimensions = columns.integer();
  store.ranking.k1 = columns.optional_real();
  store.ranking.b = columns.optional_real();
  store.ranking.heading_weight = columns.optional_real();
  store.file_counts.in_progress = columns.integer();
  store.file_counts.completed = columns.integer();
  store.file_counts.failed = columns.integer();
  store.file_counts.cancelled = columns.integer();
  store.usage_bytes = columns.integer();
  return store;
}

Error no_store(std::string_view id) {
  return no_such("vector store", id, "vector_store_id");
}

Result<void> check_same_embedding(Connection& connection, std::string_view store_id, std::string_view model,
                                  std::int64_t dimensions) {
  Statement statement(connection,
                      "SELECT s.embedding_model FROM stores s WHERE s.id = ? AND s.embedding_model <> ''"
                      " AND (s.embedding_model <> ? OR s.embedding_dimensions <> ?)"
                      " AND EXISTS (SELECT 1 FROM chunks c WHERE c.store = s.seq AND c.embedding IS NOT NULL)");
  statement.bind(store_id, model, dimensions);
  RAGTIME_TRY(const bool differs, statement.step());
  if (!differs) return {};
  return make_error(ErrorCode::conflict, "the vector store '" + std::string(store_id) +
                                             "' holds vectors of the model '" + Columns(statement).text() +
                                             "', not of '" + std::string(model) + "'");
}

}  // namespace

Result<void> SqliteDatabase::insert_store(const VectorStoreRecord& store) {
  return write([&](Connection& connection) {
    return connection.execute(
        "INSERT INTO stores (id, tenant, name, description, metadata, created_at, last_active_at, expires_after_days,"
        " embedding_model, embedding_dimensions, bm25_k1, bm25_b, heading_weight)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        store.id, store.tenant, store.name, store.description, encode_metadata(store.metadata), store.created_at,
        store.last_active_at, store.expires_after_days, store.embedding_model, store.embedding_dimensions,
        store.ranking.k1, store.ranking.b, store.ranking.heading_weight);
  });
}

Result<VectorStoreRecord> SqliteDatabase::get_store(std::string_view tenant, std::string_view id) {
  return read([&](Connection& connection) {
    Statement statement(connection, select_stores() + " FROM stores s WHERE s.id = ? AND s.tenant = ?");
    return read_one(statement.bind(id, tenant), read_store, no_store(id));
  });
}

Result<VectorStoreRecord> SqliteDatabase::find_store_by_name(std::string_view tenant, std::string_view name) {
  return read([&](Connection& connection) {
    Statement statement(connection, select_stores() +
                                        " FROM stores s WHERE s.tenant = ? AND s.name = ?"
                                        " ORDER BY s.created_at, s.seq LIMIT 1");
    return read_one(statement.bind(tenant, name), read_store, no_such("vector store named", name));
  });
}

Result<Page<VectorStoreRecord>> SqliteDatabase::list_stores(std::string_view tenant, const PageRequest& page) {
  PageQuery query(select_stores(), "stores s", 's', "s.id");
  query.scope("s.tenant = ?", std::string(tenant));
  return read([&](Connection& connection) { return query.fetch(connection, page, read_store); });
}

Result<void> SqliteDatabase::update_store(const VectorStoreRecord& store) {
  return write([&](Connection& connection) {
    return change_one(connection, no_store(store.id),
                      "UPDATE stores SET name = ?, description = ?, metadata = ?, expires_after_days = ?,"
                      " last_active_at = ?, bm25_k1 = ?, bm25_b = ?, heading_weight = ? WHERE id = ? AND tenant = ?",
                      store.name, store.description, encode_metadata(store.metadata), store.expires_after_days,
                      store.last_active_at, store.ranking.k1, store.ranking.b, store.ranking.heading_weight, store.id,
                      store.tenant);
  });
}

Result<void> SqliteDatabase::set_store_embedding(std::string_view store_id, std::string_view model,
                                                 std::int64_t dimensions) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY_DONE(check_same_embedding(connection, store_id, model, dimensions));
    return change_one(connection, no_store(store_id),
                      "UPDATE stores SET embedding_model = ?, embedding_dimensions = ? WHERE id = ?", model, dimensions,
                      store_id);
  });
}

Result<void> SqliteDatabase::delete_store(std::string_view tenant, std::string_view id) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY_DONE(change_one(connection, no_store(id), "DELETE FROM stores WHERE id = ? AND tenant = ?", id, tenant));
    return connection.execute("DELETE FROM document_changes WHERE store_id = ?", id);
  });
}

Result<std::vector<VectorStoreRecord>> SqliteDatabase::all_stores() {
  return read([&](Connection& connection) {
    Statement statement(connection, select_stores() + " FROM stores s ORDER BY s.seq");
    return read_all(statement, read_store);
  });
}

}  // namespace ragtime::storage
