// What a start reads: which documents there are, and what has changed since a copy of that.
#include <algorithm>

#include "storage/columns_json.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

Result<DocumentChunks> read_document_chunks(Columns& columns) {
  DocumentChunks document;
  document.file_id = columns.text();
  document.filename = columns.text();
  RAGTIME_TRY(document.attributes, decode_attributes(columns.text()));
  document.chunks.first = columns.integer();
  document.chunks.last = document.chunks.first + columns.integer() - 1;
  document.embedded = columns.integer() != 0;
  return document;
}

Result<DocumentChunks> read_row(const Statement& row) {
  Columns columns(row);
  return read_document_chunks(columns);
}

void sort_by_chunks(std::vector<DocumentChunks>& documents) {
  const auto earlier = [](const auto& a, const auto& b) { return a.chunks.first < b.chunks.first; };
  std::sort(documents.begin(), documents.end(), earlier);
}

Result<std::int64_t> newest_change(Connection& connection) {
  RAGTIME_TRY(const auto newest,
              connection.integer("SELECT seq FROM sqlite_sequence WHERE name = 'document_changes'"));
  return newest.value_or(0);
}

// Whether all changes after `since` are there.
Result<bool> keeps_changes(Connection& connection, std::string_view store_id, std::int64_t since,
                           std::int64_t newest) {
  RAGTIME_TRY(const auto from, connection.integer("SELECT changes_from FROM stores WHERE id = ?", store_id));
  if (!from) return no_such("vector store", store_id, "vector_store_id");
  return since >= *from && since <= newest;
}

Result<void> read_changes(Connection& connection, std::string_view store_id, std::int64_t since,
                          DocumentChanges& changes) {
  Statement statement(connection,
                      "SELECT c.file_id, d.seq IS NOT NULL, d.file_id, f.filename, d.attributes, d.first_chunk,"
                      " d.chunk_count, d.embedded"
                      " FROM (SELECT DISTINCT file_id FROM document_changes WHERE store_id = ?1 AND seq > ?2) c"
                      " LEFT JOIN documents d ON d.store_id = ?1 AND d.file_id = c.file_id AND d.status = 1"
                      " AND d.chunk_count > 0 LEFT JOIN files f ON f.id = d.file_id");
  statement.bind(store_id, since);
  for (;;) {
    RAGTIME_TRY(const bool row, statement.step());
    if (!row) break;
    Columns columns(statement);
    std::string file_id = columns.text();
    if (columns.integer() == 0) {
      changes.absent.push_back(std::move(file_id));
      continue;
    }
    RAGTIME_TRY(auto document, read_document_chunks(columns));
    changes.present.push_back(std::move(document));
  }
  sort_by_chunks(changes.present);
  return {};
}

}  // namespace

Result<std::vector<DocumentChunks>> SqliteDatabase::list_document_chunks(std::string_view store_id) {
  return read([&](Connection& connection) -> Result<std::vector<DocumentChunks>> {
    Statement statement(connection,
                        "SELECT d.file_id, f.filename, d.attributes, d.first_chunk, d.chunk_count, d.embedded"
                        " FROM documents d CROSS JOIN files f ON f.id = d.file_id"
                        " WHERE d.store_id = ? AND d.status = 1 AND d.chunk_count > 0");
    RAGTIME_TRY(auto documents, read_all(statement.bind(store_id), read_row));
    sort_by_chunks(documents);
    return documents;
  });
}

Result<std::int64_t> SqliteDatabase::newest_chunk_id() {
  return read([&](Connection& connection) -> Result<std::int64_t> {
    RAGTIME_TRY(const auto id, connection.integer("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'"));
    return id.value_or(0);
  });
}

Result<std::int64_t> SqliteDatabase::newest_document_change() {
  return read([&](Connection& connection) { return newest_change(connection); });
}

Result<std::optional<DocumentChanges>> SqliteDatabase::document_changes(std::string_view store_id,
                                                                        std::int64_t since) {
  return read([&](Connection& connection) -> Result<std::optional<DocumentChanges>> {
    DocumentChanges changes;
    RAGTIME_TRY(changes.newest, newest_change(connection));
    RAGTIME_TRY(const bool kept, keeps_changes(connection, store_id, since, changes.newest));
    if (!kept) return std::optional<DocumentChanges>();
    RAGTIME_TRY_DONE(read_changes(connection, store_id, since, changes));
    return std::optional(std::move(changes));
  });
}

Result<void> SqliteDatabase::forget_document_changes(std::string_view store_id, std::int64_t until) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY_DONE(
        connection.execute("DELETE FROM document_changes WHERE store_id = ? AND seq <= ?", store_id, until));
    return connection.execute("UPDATE stores SET changes_from = MAX(changes_from, ?) WHERE id = ?", until, store_id);
  });
}

}  // namespace ragtime::storage
