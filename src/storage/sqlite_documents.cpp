#include "storage/columns_json.h"
#include "storage/page_query.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

constexpr std::string_view kDocumentTables = "documents d JOIN files f ON f.id = d.file_id";

std::string select_documents(std::string_view rest) {
  return "SELECT " + std::string(kDocumentColumns) + " FROM " + std::string(kDocumentTables) + " " + std::string(rest);
}

Result<DocumentRecord> read_row(const Statement& row) {
  return read_document(row);
}

Error no_document(std::string_view file_id) {
  return no_such("file in the vector store with id", file_id, "file_id");
}

Result<void> insert_all(Connection& connection, const std::vector<DocumentRecord>& documents) {
  for (const auto& document : documents) {
    RAGTIME_TRY_DONE(insert_document_row(connection, document));
  }
  return {};
}

Result<BatchRecord> read_batch(const Statement& row) {
  Columns columns(row);
  BatchRecord batch;
  batch.id = columns.text();
  batch.store_id = columns.text();
  batch.created_at = columns.integer();
  batch.cancelled = columns.integer() != 0;
  batch.file_counts.in_progress = columns.integer();
  batch.file_counts.completed = columns.integer();
  batch.file_counts.failed = columns.integer();
  batch.file_counts.cancelled = columns.integer();
  return batch;
}

constexpr std::string_view kSelectBatch =
    "SELECT b.id, b.store_id, b.created_at, b.cancelled,"
    " (SELECT COUNT(*) FROM documents d WHERE d.batch_id = b.id AND d.batch_id <> '' AND d.status = 0),"
    " (SELECT COUNT(*) FROM documents d WHERE d.batch_id = b.id AND d.batch_id <> '' AND d.status = 1),"
    " (SELECT COUNT(*) FROM documents d WHERE d.batch_id = b.id AND d.batch_id <> '' AND d.status = 2),"
    " (SELECT COUNT(*) FROM documents d WHERE d.batch_id = b.id AND d.batch_id <> '' AND d.status = 3)"
    " FROM batches b WHERE b.id = ? AND b.store_id = ?";

}  // namespace

Result<void> SqliteDatabase::insert_document(const DocumentRecord& document) {
  return write([&](Connection& connection) { return insert_document_row(connection, document); });
}

Result<DocumentRecord> SqliteDatabase::get_document(std::string_view store_id, std::string_view file_id) {
  return read([&](Connection& connection) {
    Statement statement(connection, select_documents("WHERE d.store_id = ? AND d.file_id = ?"));
    return read_one(statement.bind(store_id, file_id), read_row, no_document(file_id));
  });
}

Result<DocumentRecord> SqliteDatabase::find_document_by_path(std::string_view store_id, std::string_view path) {
  return read([&](Connection& connection) {
    Statement statement(connection, select_documents("WHERE d.store_id = ? AND d.path = ? AND d.path <> ''"));
    return read_one(statement.bind(store_id, path), read_row, no_such("document with the path", path));
  });
}

Result<std::vector<DocumentRecord>> SqliteDatabase::list_documents_by_path(std::string_view store_id,
                                                                           std::string_view prefix) {
  return read([&](Connection& connection) -> Result<std::vector<DocumentRecord>> {
    Statement statement(connection,
                        select_documents("WHERE d.store_id = ? AND d.path <> '' AND d.path >= ? ORDER BY d.path"));
    statement.bind(store_id, prefix);
    std::vector<DocumentRecord> documents;
    for (;;) {
      RAGTIME_TRY(const bool row, statement.step());
      if (!row) return documents;
      RAGTIME_TRY(auto document, read_document(statement));
      if (!document.path.starts_with(prefix)) return documents;
      documents.push_back(std::move(document));
    }
  });
}

Result<Page<DocumentRecord>> SqliteDatabase::list_documents(std::string_view store_id, std::string_view batch_id,
                                                            std::optional<DocumentStatus> status,
                                                            const PageRequest& page) {
  PageQuery query("SELECT " + std::string(kDocumentColumns), std::string(kDocumentTables), 'd', "d.file_id");
  query.scope("d.store_id = ?", std::string(store_id));
  if (!batch_id.empty()) query.filter("d.batch_id = ?", std::string(batch_id));
  if (status) query.filter("d.status = ?", static_cast<std::int64_t>(*status));
  return read([&](Connection& connection) { return query.fetch(connection, page, read_row); });
}

Result<void> SqliteDatabase::set_document_attributes(std::string_view store_id, std::string_view file_id,
                                                     const Attributes& attributes) {
  return write([&](Connection& connection) {
    return change_one(connection, no_document(file_id),
                      "UPDATE documents SET attributes = ? WHERE store_id = ? AND file_id = ?",
                      encode_attributes(attributes), store_id, file_id);
  });
}

Result<void> SqliteDatabase::fail_document(std::string_view store_id, std::string_view file_id, DocumentStatus status,
                                           std::string_view error_code, std::string_view error_message) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY(const auto document,
                connection.integer("SELECT seq FROM documents WHERE store_id = ? AND file_id = ?", store_id, file_id));
    if (!document) return no_document(file_id);
    RAGTIME_TRY_DONE(connection.execute("DELETE FROM chunks WHERE document = ?", *document));
    RAGTIME_TRY_DONE(connection.execute("DELETE FROM document_texts WHERE document = ?", *document));
    return connection.execute(
        "UPDATE documents SET status = ?, error_code = ?, error_message = ?, usage_bytes = 0, chunk_count = 0,"
        " first_chunk = 0, embedded = 0 WHERE seq = ? AND status <> ?",
        static_cast<int>(status), error_code, error_message, *document, static_cast<int>(DocumentStatus::cancelled));
  });
}

Result<void> SqliteDatabase::delete_document(std::string_view store_id, std::string_view file_id) {
  return write([&](Connection& connection) {
    return change_one(connection, no_document(file_id), "DELETE FROM documents WHERE store_id = ? AND file_id = ?",
                      store_id, file_id);
  });
}

Result<std::string> SqliteDatabase::get_document_text(std::string_view store_id, std::string_view file_id) {
  return read([&](Connection& connection) {
    Statement statement(connection,
                        "SELECT t.text FROM documents d JOIN document_texts t ON t.document = d.seq"
                        " WHERE d.store_id = ? AND d.file_id = ?");
    const auto text = [](const Statement& row) -> Result<std::string> { return Columns(row).text(); };
    return read_one(statement.bind(store_id, file_id), text, no_document(file_id));
  });
}

Result<std::vector<DocumentRecord>> SqliteDatabase::unfinished_documents() {
  return read([&](Connection& connection) {
    Statement statement(connection, select_documents("WHERE d.status = 0 ORDER BY d.created_at, d.seq"));
    return read_all(statement, read_row);
  });
}

Result<void> SqliteDatabase::insert_batch(const BatchRecord& batch, const std::vector<DocumentRecord>& documents) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY_DONE(connection.execute("INSERT INTO batches (id, store_id, created_at, cancelled) VALUES (?, ?, ?, ?)",
                                        batch.id, batch.store_id, batch.created_at, batch.cancelled));
    return insert_all(connection, documents);
  });
}

Result<BatchRecord> SqliteDatabase::get_batch(std::string_view store_id, std::string_view id) {
  return read([&](Connection& connection) {
    Statement statement(connection, kSelectBatch);
    return read_one(statement.bind(id, store_id), read_batch, no_such("file batch", id, "batch_id"));
  });
}

Result<void> SqliteDatabase::cancel_batch(std::string_view store_id, std::string_view id) {
  return write([&](Connection& connection) -> Result<void> {
    RAGTIME_TRY_DONE(change_one(connection, no_such("file batch", id, "batch_id"),
                                "UPDATE batches SET cancelled = 1 WHERE id = ? AND store_id = ?", id, store_id));
    return connection.execute(
        "UPDATE documents SET status = ? WHERE batch_id = ? AND batch_id <> '' AND store_id = ? AND status = ?",
        static_cast<int>(DocumentStatus::cancelled), id, store_id, static_cast<int>(DocumentStatus::in_progress));
  });
}

}  // namespace ragtime::storage
