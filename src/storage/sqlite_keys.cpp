#include "storage/columns_json.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

constexpr std::string_view kSelectKeys =
    "SELECT id, name, tenant, hash, prefix, scopes, created_at, revoked_at, requests_per_minute, tokens_per_minute,"
    " streams, concurrent_requests, priority FROM keys";

Result<ApiKeyRecord> read_key(const Statement& row) {
  Columns columns(row);
  ApiKeyRecord key;
  key.id = columns.text();
  key.name = columns.text();
  key.tenant = columns.text();
  key.hash = columns.text();
  key.prefix = columns.text();
  RAGTIME_TRY(key.scopes, decode_strings(columns.text()));
  key.created_at = columns.integer();
  key.revoked_at = columns.optional_integer();
  key.limits.requests_per_minute = columns.optional_integer();
  key.limits.tokens_per_minute = columns.optional_integer();
  key.limits.streams = columns.optional_integer();
  key.limits.concurrent_requests = columns.optional_integer();
  key.limits.priority = columns.text();
  return key;
}

}  // namespace

Result<void> SqliteDatabase::insert_key(const ApiKeyRecord& key) {
  return write([&](Connection& connection) {
    return connection.execute(
        "INSERT INTO keys (id, name, tenant, hash, prefix, scopes, created_at, revoked_at, requests_per_minute,"
        " tokens_per_minute, streams, concurrent_requests, priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key.id, key.name, key.tenant, key.hash, key.prefix, encode_strings(key.scopes), key.created_at, key.revoked_at,
        key.limits.requests_per_minute, key.limits.tokens_per_minute, key.limits.streams,
        key.limits.concurrent_requests, key.limits.priority);
  });
}

Result<std::vector<ApiKeyRecord>> SqliteDatabase::list_keys() {
  return read([&](Connection& connection) {
    Statement statement(connection, std::string(kSelectKeys) + " ORDER BY created_at, seq");
    return read_all(statement, read_key);
  });
}

Result<ApiKeyRecord> SqliteDatabase::find_key(std::string_view hash) {
  return read([&](Connection& connection) {
    Statement statement(connection, std::string(kSelectKeys) + " WHERE hash = ? AND revoked_at IS NULL");
    return read_one(statement.bind(hash), read_key, make_error(ErrorCode::not_found, "no such key"));
  });
}

Result<void> SqliteDatabase::revoke_key(std::string_view id, std::int64_t now) {
  return write([&](Connection& connection) {
    // A key that was revoked already keeps its time.
    return change_one(connection, no_such("key", id, "id"),
                      "UPDATE keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?", now, id);
  });
}

Result<bool> SqliteDatabase::any_key() {
  return read([&](Connection& connection) -> Result<bool> {
    RAGTIME_TRY(const auto found, connection.integer("SELECT 1 FROM keys WHERE revoked_at IS NULL LIMIT 1"));
    return found.has_value();
  });
}

}  // namespace ragtime::storage
