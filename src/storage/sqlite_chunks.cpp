#include <algorithm>

#include "storage/columns_json.h"
#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

// The start of every row over "chunks c JOIN documents d ON d.seq = c.document".
constexpr std::string_view kChunkColumns =
    "c.id, d.store_id, d.file_id, c.ordinal, c.kind, c.text, c.begin_at, c.end_at, c.page_first, c.page_last,"
    " c.heading_path, c.tokens";

ChunkRecord read_chunk(Columns& columns) {
  ChunkRecord record;
  record.id = columns.integer();
  record.store_id = columns.text();
  record.file_id = columns.text();
  record.chunk.ordinal = columns.small();
  record.chunk.kind = static_cast<text::ChunkKind>(columns.integer());
  record.chunk.text = columns.text();
  record.chunk.begin = static_cast<std::size_t>(columns.integer());
  record.chunk.end = static_cast<std::size_t>(columns.integer());
  record.chunk.page_first = columns.small();
  record.chunk.page_last = columns.small();
  record.chunk.heading_path = columns.text();
  record.chunk.tokens = columns.small();
  return record;
}

struct DocumentKey {
  std::int64_t store = 0;
  std::int64_t document = 0;
};

Result<void> remove_replaced(Connection& connection, const DocumentRecord& document, const std::string& file_id) {
  if (file_id.empty() || file_id == document.file_id) return {};
  RAGTIME_TRY_DONE(
      connection.execute("DELETE FROM documents WHERE store_id = ? AND file_id = ?", document.store_id, file_id));
  if (connection.changes() == 0) return {};
  return connection.execute(
      "DELETE FROM files WHERE id = ?1 AND id NOT IN (SELECT file_id FROM documents WHERE"
      " file_id = ?1)",
      file_id);
}

Result<DocumentKey> find_key(Connection& connection, const DocumentRecord& document) {
  Statement statement(connection,
                      "SELECT s.seq, d.seq, d.status FROM documents d JOIN stores s ON s.id = d.store_id"
                      " WHERE d.store_id = ? AND d.file_id = ?");
  statement.bind(document.store_id, document.file_id);
  RAGTIME_TRY(const bool row, statement.step());
  if (!row) return no_such("file in the vector store with id", document.file_id, "file_id");
  Columns columns(statement);
  DocumentKey key;
  key.store = columns.integer();
  key.document = columns.integer();
  if (columns.integer() == static_cast<int>(DocumentStatus::cancelled)) {
    return make_error(ErrorCode::conflict, "the indexing of '" + document.file_id + "' was cancelled", "file_id");
  }
  return key;
}

Result<DocumentKey> place_document(Connection& connection, const Database::CommitDocument& commit) {
  RAGTIME_TRY_DONE(remove_replaced(connection, commit.document, commit.replaces_file_id));
  if (commit.file) {
    DocumentRecord fresh = commit.document;
    fresh.status = DocumentStatus::in_progress;
    RAGTIME_TRY_DONE(insert_file_row(connection, *commit.file));
    RAGTIME_TRY_DONE(insert_document_row(connection, fresh));
  }
  return find_key(connection, commit.document);
}

Result<std::int64_t> insert_chunk(Connection& connection, const DocumentKey& key, const ChunkRecord& record) {
  const text::Chunk& chunk = record.chunk;
  RAGTIME_TRY_DONE(connection.execute(
      "INSERT INTO chunks (store, document, ordinal, kind, text, begin_at, end_at, page_first, page_last, heading_path,"
      " tokens, embedding) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      key.store, key.document, chunk.ordinal, static_cast<int>(chunk.kind), chunk.text,
      static_cast<std::int64_t>(chunk.begin), static_cast<std::int64_t>(chunk.end), chunk.page_first, chunk.page_last,
      chunk.heading_path, chunk.tokens, record.embedding));
  return connection.last_insert_id();
}

Result<std::vector<std::int64_t>> replace_chunks(Connection& connection, const DocumentKey& key,
                                                 const Database::CommitDocument& commit) {
  RAGTIME_TRY_DONE(connection.execute("DELETE FROM chunks WHERE document = ?", key.document));
  RAGTIME_TRY_DONE(connection.execute("INSERT OR REPLACE INTO document_texts (document, text) VALUES (?, ?)",
                                      key.document, commit.text));
  std::vector<std::int64_t> ids;
  ids.reserve(commit.chunks.size());
  for (const auto& chunk : commit.chunks) {
    RAGTIME_TRY(const auto id, insert_chunk(connection, key, chunk));
    ids.push_back(id);
  }
  return ids;
}

std::int64_t usage_of(const std::vector<ChunkRecord>& chunks) {
  std::size_t bytes = 0;
  for (const auto& chunk : chunks) bytes += chunk.chunk.text.size() + chunk.embedding.size() * sizeof(float);
  return static_cast<std::int64_t>(bytes);
}

bool any_embedded(const std::vector<ChunkRecord>& chunks) {
  return std::any_of(chunks.begin(), chunks.end(), [](const ChunkRecord& chunk) { return !chunk.embedding.empty(); });
}

// Attributes set while the document was being indexed are newer than the ones its indexing began with.
Result<void> complete_document(Connection& connection, const DocumentKey& key, const Database::CommitDocument& commit,
                               const std::vector<std::int64_t>& ids) {
  const DocumentRecord& document = commit.document;
  return connection.execute(
      "UPDATE documents SET attributes = CASE status WHEN 0 THEN attributes ELSE ? END, status = 1, error_code = '',"
      " error_message = '', title = ?, chunk_size = ?, chunk_overlap = ?, usage_bytes = ?, chunk_count = ?,"
      " first_chunk = ?, embedded = ? WHERE seq = ?",
      encode_attributes(document.attributes), document.title, document.chunk_size, document.chunk_overlap,
      usage_of(commit.chunks), static_cast<std::int64_t>(commit.chunks.size()), ids.empty() ? 0 : ids.front(),
      any_embedded(commit.chunks), key.document);
}

// Consecutive chunks mostly share a document: its columns are decoded once.
class ChunkScan {
 public:
  ChunkScan(Connection& connection, std::string_view store_id, const ChunkRange& range)
      : statement_(connection, "SELECT " + std::string(kChunkColumns) + ", c.embedding, " +
                                   std::string(kDocumentColumns) +
                                   " FROM chunks c CROSS JOIN documents d ON d.seq = c.document"
                                   " CROSS JOIN files f ON f.id = d.file_id"
                                   " WHERE c.store = (SELECT seq FROM stores WHERE id = ?) AND c.id BETWEEN ? AND ?"
                                   " ORDER BY c.id") {
    statement_.bind(store_id, range.first, range.last);
  }

  template <class Visit>
  Result<void> run(const Visit& visit) {
    for (;;) {
      RAGTIME_TRY(const bool row, statement_.step());
      if (!row) return {};
      Columns columns(statement_);
      ChunkRecord chunk = read_chunk(columns);
      chunk.embedding = columns.floats();
      if (chunk.file_id != document_.file_id) {
        RAGTIME_TRY(document_, read_document(columns));
      }
      RAGTIME_TRY_DONE(visit(chunk, document_));
    }
  }

 private:
  Statement statement_;
  DocumentRecord document_;
};

}  // namespace

Result<std::vector<std::int64_t>> SqliteDatabase::commit_document(const CommitDocument& commit) {
  return write([&](Connection& connection) -> Result<std::vector<std::int64_t>> {
    RAGTIME_TRY(const auto key, place_document(connection, commit));
    RAGTIME_TRY(auto ids, replace_chunks(connection, key, commit));
    RAGTIME_TRY_DONE(complete_document(connection, key, commit, ids));
    RAGTIME_TRY_DONE(remember_embedding_rows(connection, commit.embeddings));
    return ids;
  });
}

Result<void> SqliteDatabase::scan_chunks(
    std::string_view store_id, const ChunkRange& range,
    const std::function<Result<void>(const ChunkRecord&, const DocumentRecord&)>& visit) {
  return read([&](Connection& connection) { return ChunkScan(connection, store_id, range).run(visit); });
}

Result<std::vector<ChunkRecord>> SqliteDatabase::get_chunks(const std::vector<std::int64_t>& ids) {
  return read([&](Connection& connection) -> Result<std::vector<ChunkRecord>> {
    std::vector<ChunkRecord> chunks;
    for (const auto id : ids) {
      Statement statement(connection, "SELECT " + std::string(kChunkColumns) +
                                          " FROM chunks c JOIN documents d ON d.seq = c.document WHERE c.id = ?");
      statement.bind(id);
      RAGTIME_TRY(const bool row, statement.step());
      if (!row) continue;
      Columns columns(statement);
      chunks.push_back(read_chunk(columns));
    }
    return chunks;
  });
}

}  // namespace ragtime::storage
