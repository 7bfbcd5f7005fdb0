#include "storage/page_query.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {

Result<void> SqliteDatabase::insert_file(const FileRecord& file) {
  return write([&](Connection& connection) { return insert_file_row(connection, file); });
}

Result<FileRecord> SqliteDatabase::get_file(std::string_view tenant, std::string_view id) {
  return read([&](Connection& connection) {
    Statement statement(connection,
                        "SELECT " + std::string(kFileColumns) + " FROM files f WHERE id = ? AND tenant = ?");
    return read_one(statement.bind(id, tenant), read_file, no_such("file", id, "file_id"));
  });
}

Result<Page<FileRecord>> SqliteDatabase::list_files(std::string_view tenant, std::string_view purpose,
                                                    const PageRequest& page) {
  PageQuery query("SELECT " + std::string(kFileColumns), "files f", 'f', "f.id");
  query.scope("f.tenant = ?", std::string(tenant));
  if (!purpose.empty()) query.filter("f.purpose = ?", std::string(purpose));
  return read([&](Connection& connection) { return query.fetch(connection, page, read_file); });
}

Result<std::vector<std::string>> SqliteDatabase::delete_file(std::string_view tenant, std::string_view id) {
  return write([&](Connection& connection) -> Result<std::vector<std::string>> {
    Statement statement(connection,
                        "SELECT d.store_id FROM documents d JOIN files f ON f.id = d.file_id"
                        " WHERE f.id = ? AND f.tenant = ? ORDER BY d.seq");
    const auto store_id = [](const Statement& row) -> Result<std::string> { return Columns(row).text(); };
    RAGTIME_TRY(auto stores, read_all(statement.bind(id, tenant), store_id));
    RAGTIME_TRY_DONE(change_one(connection, no_such("file", id, "file_id"),
                                "DELETE FROM files WHERE id = ? AND tenant = ?", id, tenant));
    return stores;
  });
}

Result<bool> SqliteDatabase::blob_in_use(std::string_view sha256) {
  return read([&](Connection& connection) -> Result<bool> {
    RAGTIME_TRY(const auto found, connection.integer("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", sha256));
    return found.has_value();
  });
}

}  // namespace ragtime::storage
