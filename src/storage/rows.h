// Rows to records and back: the column lists, their readers, and the statements that several concerns share.
// Private to storage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/records.h"
#include "storage/sqlite.h"

namespace ragtime::storage {

inline constexpr std::string_view kFileColumns =
    "f.id, f.tenant, f.filename, f.purpose, f.sha256, f.bytes, f.created_at, f.expires_at";
Result<FileRecord> read_file(const Statement& row);
Result<void> insert_file_row(Connection& connection, const FileRecord& file);

// Over "documents d JOIN files f ON f.id = d.file_id".
inline constexpr std::string_view kDocumentColumns =
    "d.store_id, d.file_id, d.status, d.error_code, d.error_message, d.attributes, d.path, d.batch_id, d.chunk_size,"
    " d.chunk_overlap, d.created_at, d.usage_bytes, d.chunk_count, f.filename, f.sha256, d.title, d.embedded";
Result<DocumentRecord> read_document(Columns& columns);
Result<DocumentRecord> read_document(const Statement& row);
Result<void> insert_document_row(Connection& connection, const DocumentRecord& document);

// Within the caller's transaction.
Result<void> remember_embedding_rows(Connection& connection, const EmbeddingUse& use);

inline Error no_such(std::string_view thing, std::string_view id, std::string param = {}) {
  return make_error(ErrorCode::not_found, "no " + std::string(thing) + " '" + std::string(id) + "'", std::move(param));
}

// All rows of the statement through `read` (const Statement& → Result<T>).
template <class Read>
auto read_all(Statement& statement, Read read)
    -> Result<std::vector<typename std::invoke_result_t<Read, const Statement&>::value_type>> {
  std::vector<typename std::invoke_result_t<Read, const Statement&>::value_type> records;
  for (;;) {
    RAGTIME_TRY(const bool row, statement.step());
    if (!row) return records;
    RAGTIME_TRY(auto record, read(statement));
    records.push_back(std::move(record));
  }
}

// The first row through `read`, or `missing`.
template <class Read>
auto read_one(Statement& statement, Read read, Error missing) -> std::invoke_result_t<Read, const Statement&> {
  RAGTIME_TRY(const bool row, statement.step());
  if (!row) return missing;
  return read(statement);
}

// Runs a change of one row; `missing` when there was none.
template <class... Values>
Result<void> change_one(Connection& connection, Error missing, std::string_view sql, const Values&... values) {
  RAGTIME_TRY_DONE(connection.execute(sql, values...));
  if (connection.changes() == 0) return missing;
  return {};
}

}  // namespace ragtime::storage
