#include "storage/rows.h"
#include "storage/sqlite_database.h"

namespace ragtime::storage {
namespace {

struct Totals {
  std::int64_t writes = 0;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

Result<Totals> read_totals(Connection& connection) {
  Statement statement(connection, "SELECT writes, row_count, byte_count FROM embedding_totals");
  const auto read = [](const Statement& row) -> Result<Totals> {
    Columns columns(row);
    Totals totals;
    totals.writes = columns.integer();
    totals.rows = columns.integer();
    totals.bytes = columns.integer();
    return totals;
  };
  return read_one(statement, read, make_error(ErrorCode::corrupt, "the embedding cache has lost its totals"));
}

Result<void> touch(Connection& connection, const std::string& key, std::int64_t now) {
  return connection.execute("UPDATE embeddings SET used = ? WHERE key = ?", now, key);
}

Result<void> insert(Connection& connection, const CachedEmbedding& entry, Totals& totals) {
  if (entry.vector.empty()) return {};
  RAGTIME_TRY_DONE(connection.execute("INSERT OR IGNORE INTO embeddings (key, used, embedding) VALUES (?, ?, ?)",
                                      entry.key, totals.writes, entry.vector));
  if (connection.changes() == 0) return touch(connection, entry.key, totals.writes);
  ++totals.rows;
  totals.bytes += static_cast<std::int64_t>(entry.vector.size() * sizeof(float));
  return {};
}

// The rows that must go, from the longest unused on.
Result<std::vector<std::int64_t>> surplus(Connection& connection, const EmbeddingUse& use, Totals& totals) {
  std::vector<std::int64_t> rows;
  Statement statement(connection, "SELECT seq, length(embedding) FROM embeddings ORDER BY used, seq");
  while (totals.rows > use.rows_max || totals.bytes > use.bytes_max) {
    RAGTIME_TRY(const bool row, statement.step());
    if (!row) break;
    Columns columns(statement);
    rows.push_back(columns.integer());
    --totals.rows;
    totals.bytes -= columns.integer();
  }
  return rows;
}

}  // namespace

Result<void> remember_embedding_rows(Connection& connection, const EmbeddingUse& use) {
  if (use.fresh.empty() && use.found.empty()) return {};
  RAGTIME_TRY(Totals totals, read_totals(connection));
  ++totals.writes;
  for (const auto& key : use.found) RAGTIME_TRY_DONE(touch(connection, key, totals.writes));
  for (const auto& entry : use.fresh) RAGTIME_TRY_DONE(insert(connection, entry, totals));
  RAGTIME_TRY(const auto rows, surplus(connection, use, totals));
  for (const auto row : rows) RAGTIME_TRY_DONE(connection.execute("DELETE FROM embeddings WHERE seq = ?", row));
  return connection.execute("UPDATE embedding_totals SET writes = ?, row_count = ?, byte_count = ?", totals.writes,
                            totals.rows, totals.bytes);
}

Result<std::vector<std::vector<float>>> SqliteDatabase::find_embeddings(const std::vector<std::string>& keys) {
  return read([&](Connection& connection) -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<float>> vectors(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      Statement statement(connection, "SELECT embedding FROM embeddings WHERE key = ?");
      statement.bind(keys[i]);
      RAGTIME_TRY(const bool row, statement.step());
      if (row) vectors[i] = Columns(statement).floats();
    }
    return vectors;
  });
}

Result<void> SqliteDatabase::remember_embeddings(const EmbeddingUse& use) {
  return write([&](Connection& connection) { return remember_embedding_rows(connection, use); });
}

}  // namespace ragtime::storage
