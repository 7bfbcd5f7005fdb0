#include "storage/rows.h"

#include "storage/columns_json.h"

namespace ragtime::storage {

Result<FileRecord> read_file(const Statement& row) {
  Columns columns(row);
  FileRecord file;
  file.id = columns.text();
  file.tenant = columns.text();
  file.filename = columns.text();
  file.purpose = columns.text();
  file.sha256 = columns.text();
  file.bytes = columns.integer();
  file.created_at = columns.integer();
  file.expires_at = columns.optional_integer();
  return file;
}

Result<void> insert_file_row(Connection& connection, const FileRecord& file) {
  return connection.execute(
      "INSERT INTO files (id, tenant, filename, purpose, sha256, bytes, created_at, expires_at)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      file.id, file.tenant, file.filename, file.purpose, file.sha256, file.bytes, file.created_at, file.expires_at);
}

Result<DocumentRecord> read_document(Columns& columns) {
  DocumentRecord document;
  document.store_id = columns.text();
  document.file_id = columns.text();
  document.status = static_cast<DocumentStatus>(columns.integer());
  document.error_code = columns.text();
  document.error_message = columns.text();
  RAGTIME_TRY(document.attributes, decode_attributes(columns.text()));
  document.path = columns.text();
  document.batch_id = columns.text();
  document.chunk_size = columns.small();
  document.chunk_overlap = columns.small();
  document.created_at = columns.integer();
  document.usage_bytes = columns.integer();
  document.chunk_count = columns.integer();
  document.filename = columns.text();
  document.sha256 = columns.text();
  document.title = columns.text();
  document.embedded = columns.integer() != 0;
  return document;
}

Result<DocumentRecord> read_document(const Statement& row) {
  Columns columns(row);
  return read_document(columns);
}

Result<void> insert_document_row(Connection& connection, const DocumentRecord& document) {
  auto inserted = connection.execute(
      "INSERT INTO documents (store_id, file_id, status, error_code, error_message, attributes, path, title, batch_id,"
      " chunk_size, chunk_overlap, created_at, usage_bytes, chunk_count)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, 0, 0)",
      document.store_id, document.file_id, static_cast<int>(document.status), document.error_code,
      document.error_message, encode_attributes(document.attributes), document.path, document.batch_id,
      document.chunk_size, document.chunk_overlap, document.created_at);
  if (inserted.has_value()) return inserted;
  if (inserted.error().code == ErrorCode::conflict) {
    return make_error(ErrorCode::conflict, "the file '" + document.file_id + "' or its path is already in the store",
                      "file_id");
  }
  if (inserted.error().code == ErrorCode::not_found) {
    return make_error(ErrorCode::not_found, "the vector store or the file '" + document.file_id + "' does not exist",
                      "file_id");
  }
  return inserted;
}

}  // namespace ragtime::storage
