#include "storage/schema.h"

#include <array>
#include <string>

namespace ragtime::storage {
namespace {

// `seq` orders rows of the same second, and joins documents and chunks by small integers.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE files (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  filename TEXT NOT NULL,
  purpose TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
);
CREATE INDEX files_by_tenant ON files (tenant, created_at, seq);
CREATE INDEX files_by_content ON files (sha256);

CREATE TABLE stores (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_active_at INTEGER NOT NULL,
  expires_after_days INTEGER,
  embedding_model TEXT NOT NULL,
  embedding_dimensions INTEGER NOT NULL
);
CREATE INDEX stores_by_tenant ON stores (tenant, created_at, seq);
CREATE INDEX stores_by_name ON stores (tenant, name, created_at, seq);

CREATE TABLE batches (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  store_id TEXT NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  cancelled INTEGER NOT NULL
);
CREATE INDEX batches_by_store ON batches (store_id);

CREATE TABLE documents (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id TEXT NOT NULL REFERENCES stores (id) ON DELETE CASCADE,
  file_id TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  status INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  attributes TEXT NOT NULL,
  path TEXT NOT NULL,
  title TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  chunk_size INTEGER NOT NULL,
  chunk_overlap INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  usage_bytes INTEGER NOT NULL,
  chunk_count INTEGER NOT NULL,
  UNIQUE (store_id, file_id)
);
CREATE UNIQUE INDEX documents_by_path ON documents (store_id, path) WHERE path <> '';
CREATE INDEX documents_by_age ON documents (store_id, created_at, seq);
CREATE INDEX documents_by_status ON documents (store_id, status, usage_bytes);
CREATE INDEX documents_by_file ON documents (file_id);
CREATE INDEX documents_by_batch ON documents (batch_id, status) WHERE batch_id <> '';
CREATE INDEX documents_unfinished ON documents (created_at, seq) WHERE status = 0;

CREATE TABLE document_texts (
  document INTEGER PRIMARY KEY REFERENCES documents (seq) ON DELETE CASCADE,
  text TEXT NOT NULL
);

CREATE TABLE chunks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store INTEGER NOT NULL,
  document INTEGER NOT NULL REFERENCES documents (seq) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  text TEXT NOT NULL,
  begin_at INTEGER NOT NULL,
  end_at INTEGER NOT NULL,
  page_first INTEGER NOT NULL,
  page_last INTEGER NOT NULL,
  heading_path TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  embedding BLOB
);
CREATE INDEX chunks_by_store ON chunks (store);
CREATE INDEX chunks_by_document ON chunks (document);

CREATE TABLE keys (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
);

CREATE TABLE responses (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  input_items TEXT NOT NULL
);
)sql";

// `used` is the number of the write that last needed the row. The one row of embedding_totals counts writes and sizes,
// so that keeping the limits needs no scan.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE embeddings (
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  used INTEGER NOT NULL,
  embedding BLOB NOT NULL
);
CREATE INDEX embeddings_by_use ON embeddings (used);

CREATE TABLE embedding_totals (
  writes INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  byte_count INTEGER NOT NULL
);
INSERT INTO embedding_totals VALUES (0, 0, 0);
)sql";

// What a start needs to know of a document's chunks, without a look at their rows.
constexpr const char* kVersion3 = R"sql(
ALTER TABLE documents ADD COLUMN first_chunk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN embedded INTEGER NOT NULL DEFAULT 0;
UPDATE documents SET
  first_chunk = (SELECT MIN(c.id) FROM chunks c WHERE c.document = documents.seq),
  embedded = EXISTS (SELECT 1 FROM chunks c WHERE c.document = documents.seq AND c.embedding IS NOT NULL)
WHERE EXISTS (SELECT 1 FROM chunks c WHERE c.document = documents.seq);
)sql";

// How a store ranks by words; NULL: as configured.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE stores ADD COLUMN bm25_k1 REAL;
ALTER TABLE stores ADD COLUMN bm25_b REAL;
ALTER TABLE stores ADD COLUMN heading_weight REAL;
)sql";

// What a key may do at most; NULL: as configured.
constexpr const char* kVersion5 = R"sql(
ALTER TABLE keys ADD COLUMN requests_per_minute INTEGER;
ALTER TABLE keys ADD COLUMN tokens_per_minute INTEGER;
ALTER TABLE keys ADD COLUMN streams INTEGER;
ALTER TABLE keys ADD COLUMN concurrent_requests INTEGER;
ALTER TABLE keys ADD COLUMN priority TEXT NOT NULL DEFAULT '';
)sql";

// What brings a copy of a store's documents up to date, so that a start need not read them all. Triggers note every
// change that such a copy would show, whoever makes it. Changes up to `changes_from` of a store are not kept.
constexpr const char* kVersion6 = R"sql(
ALTER TABLE stores ADD COLUMN changes_from INTEGER NOT NULL DEFAULT 0;
CREATE TABLE document_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id TEXT NOT NULL,
  file_id TEXT NOT NULL
);
CREATE INDEX document_changes_by_store ON document_changes (store_id, seq);
CREATE TRIGGER document_came AFTER INSERT ON documents WHEN NEW.status = 1 BEGIN
  INSERT INTO document_changes (store_id, file_id) VALUES (NEW.store_id, NEW.file_id);
END;
CREATE TRIGGER document_changed AFTER UPDATE OF status, attributes, first_chunk, chunk_count, embedded ON documents
WHEN NEW.status = 1 OR OLD.status = 1 BEGIN
  INSERT INTO document_changes (store_id, file_id) VALUES (NEW.store_id, NEW.file_id);
END;
CREATE TRIGGER document_left AFTER DELETE ON documents WHEN OLD.status = 1 BEGIN
  INSERT INTO document_changes (store_id, file_id) VALUES (OLD.store_id, OLD.file_id);
END;
)sql";

// How many files a store has in each state, and their bytes, kept by triggers: every search reads its store's row, and
// counting 10,600 documents took a fifth of a search's processor time.
constexpr const char* kVersion7 = R"sql(
ALTER TABLE stores ADD COLUMN files_in_progress INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stores ADD COLUMN files_completed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stores ADD COLUMN files_failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stores ADD COLUMN files_cancelled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stores ADD COLUMN usage_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE stores SET
  files_in_progress = (SELECT COUNT(*) FROM documents d WHERE d.store_id = stores.id AND d.status = 0),
  files_completed = (SELECT COUNT(*) FROM documents d WHERE d.store_id = stores.id AND d.status = 1),
  files_failed = (SELECT COUNT(*) FROM documents d WHERE d.store_id = stores.id AND d.status = 2),
  files_cancelled = (SELECT COUNT(*) FROM documents d WHERE d.store_id = stores.id AND d.status = 3),
  usage_bytes = (SELECT COALESCE(SUM(d.usage_bytes), 0) FROM documents d WHERE d.store_id = stores.id);
DROP INDEX documents_by_status;
CREATE TRIGGER document_counted AFTER INSERT ON documents BEGIN
  UPDATE stores SET
    files_in_progress = files_in_progress + (NEW.status = 0),
    files_completed = files_completed + (NEW.status = 1),
    files_failed = files_failed + (NEW.status = 2),
    files_cancelled = files_cancelled + (NEW.status = 3),
    usage_bytes = usage_bytes + NEW.usage_bytes
  WHERE id = NEW.store_id;
END;
CREATE TRIGGER document_recounted AFTER UPDATE OF status, usage_bytes ON documents BEGIN
  UPDATE stores SET
    files_in_progress = files_in_progress - (OLD.status = 0) + (NEW.status = 0),
    files_completed = files_completed - (OLD.status = 1) + (NEW.status = 1),
    files_failed = files_failed - (OLD.status = 2) + (NEW.status = 2),
    files_cancelled = files_cancelled - (OLD.status = 3) + (NEW.status = 3),
    usage_bytes = usage_bytes - OLD.usage_bytes + NEW.usage_bytes
  WHERE id = NEW.store_id;
END;
CREATE TRIGGER document_uncounted AFTER DELETE ON documents BEGIN
  UPDATE stores SET
    files_in_progress = files_in_progress - (OLD.status = 0),
    files_completed = files_completed - (OLD.status = 1),
    files_failed = files_failed - (OLD.status = 2),
    files_cancelled = files_cancelled - (OLD.status = 3),
    usage_bytes = usage_bytes - OLD.usage_bytes
  WHERE id = OLD.store_id;
END;
)sql";

constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5, kVersion6, kVersion7};

Result<std::int64_t> version_of(Connection& connection) {
  RAGTIME_TRY(const auto version, connection.integer("PRAGMA user_version"));
  return version.value_or(0);
}

Result<void> check_origin(Connection& connection, std::int64_t version) {
  const auto newest = static_cast<std::int64_t>(kMigrations.size());
  if (version > newest) {
    return make_error(ErrorCode::conflict, "a newer version of Ragtime wrote the database (schema " +
                                               std::to_string(version) + ", this one knows up to " +
                                               std::to_string(newest) +
                                               "); use that version or another data directory");
  }
  if (version > 0) return {};
  RAGTIME_TRY(const auto tables, connection.integer("SELECT COUNT(*) FROM sqlite_master"));
  if (tables.value_or(0) > 0) return make_error(ErrorCode::conflict, "the database was written by another program");
  return {};
}

Result<void> apply_missing(Connection& connection) {
  // Read again under the lock: another process may have been faster.
  RAGTIME_TRY(auto version, version_of(connection));
  for (; version < static_cast<std::int64_t>(kMigrations.size()); ++version) {
    RAGTIME_TRY_DONE(connection.execute_script(kMigrations[static_cast<std::size_t>(version)]));
    const std::string mark = "PRAGMA user_version = " + std::to_string(version + 1);
    RAGTIME_TRY_DONE(connection.execute_script(mark.c_str()));
  }
  return {};
}

}  // namespace

Result<void> migrate(Connection& connection) {
  RAGTIME_TRY(const auto version, version_of(connection));
  RAGTIME_TRY_DONE(check_origin(connection, version));
  if (version == static_cast<std::int64_t>(kMigrations.size())) return {};
  RAGTIME_TRY_DONE(connection.execute("BEGIN IMMEDIATE"));
  auto applied = apply_missing(connection);
  if (applied.has_value()) return connection.execute("COMMIT");
  (void)connection.execute("ROLLBACK");
  return applied;
}

}  // namespace ragtime::storage
