// SqliteDatabase: the Database seam on SQLite. One writer thread with group commit, readers on connections of their
// own. The methods are defined by concern in sqlite_files.cpp, sqlite_stores.cpp, … Private to storage.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "storage/database.h"
#include "storage/group_writer.h"
#include "storage/sqlite.h"

namespace ragtime::storage {

// Connections for reading: as many as there are readers at a time, a few of which are kept.
// Thread safety: every member may be called from any thread.
class ReaderPool {
 public:
  explicit ReaderPool(std::filesystem::path file) : file_(std::move(file)) {}

  Result<std::unique_ptr<Connection>> acquire();
  void release(std::unique_ptr<Connection> connection);

 private:
  const std::filesystem::path file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // Guarded by mutex_.
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::filesystem::path& file, std::unique_ptr<Connection> writer)
      : readers_(file), writer_(std::move(writer)) {}

  Result<void> insert_file(const FileRecord& file) override;
  Result<FileRecord> get_file(std::string_view tenant, std::string_view id) override;
  Result<Page<FileRecord>> list_files(std::string_view tenant, std::string_view purpose,
                                      const PageRequest& page) override;
  Result<std::vector<std::string>> delete_file(std::string_view tenant, std::string_view id) override;
  Result<bool> blob_in_use(std::string_view sha256) override;

  Result<void> insert_store(const VectorStoreRecord& store) override;
  Result<VectorStoreRecord> get_store(std::string_view tenant, std::string_view id) override;
  Result<VectorStoreRecord> find_store_by_name(std::string_view tenant, std::string_view name) override;
  Result<Page<VectorStoreRecord>> list_stores(std::string_view tenant, const PageRequest& page) override;
  Result<void> update_store(const VectorStoreRecord& store) override;
  Result<void> set_store_embedding(std::string_view store_id, std::string_view model, std::int64_t dimensions) override;
  Result<void> delete_store(std::string_view tenant, std::string_view id) override;
  Result<std::vector<VectorStoreRecord>> all_stores() override;

  Result<void> insert_document(const DocumentRecord& document) override;
  Result<DocumentRecord> get_document(std::string_view store_id, std::string_view file_id) override;
  Result<DocumentRecord> find_document_by_path(std::string_view store_id, std::string_view path) override;
  Result<std::vector<DocumentRecord>> list_documents_by_path(std::string_view store_id,
                                                             std::string_view prefix) override;
  Result<Page<DocumentRecord>> list_documents(std::string_view store_id, std::string_view batch_id,
                                              std::optional<DocumentStatus> status, const PageRequest& page) override;
  Result<void> set_document_attributes(std::string_view store_id, std::string_view file_id,
                                       const Attributes& attributes) override;
  Result<void> fail_document(std::string_view store_id, std::string_view file_id, DocumentStatus status,
                             std::string_view error_code, std::string_view error_message) override;
  Result<std::vector<std::int64_t>> commit_document(const CommitDocument& commit) override;
  Result<void> delete_document(std::string_view store_id, std::string_view file_id) override;
  Result<std::string> get_document_text(std::string_view store_id, std::string_view file_id) override;
  Result<std::vector<DocumentRecord>> unfinished_documents() override;

  Result<void> scan_chunks(
      std::string_view store_id, const ChunkRange& range,
      const std::function<Result<void>(const ChunkRecord&, const DocumentRecord&)>& visit) override;
  Result<std::vector<DocumentChunks>> list_document_chunks(std::string_view store_id) override;
  Result<std::int64_t> newest_document_change() override;
  Result<std::optional<DocumentChanges>> document_changes(std::string_view store_id, std::int64_t since) override;
  Result<void> forget_document_changes(std::string_view store_id, std::int64_t until) override;
  Result<std::int64_t> newest_chunk_id() override;
  Result<std::vector<ChunkRecord>> get_chunks(const std::vector<std::int64_t>& ids) override;

  Result<void> insert_batch(const BatchRecord& batch, const std::vector<DocumentRecord>& documents) override;
  Result<BatchRecord> get_batch(std::string_view store_id, std::string_view id) override;
  Result<void> cancel_batch(std::string_view store_id, std::string_view id) override;

  Result<void> insert_key(const ApiKeyRecord& key) override;
  Result<std::vector<ApiKeyRecord>> list_keys() override;
  Result<ApiKeyRecord> find_key(std::string_view hash) override;
  Result<void> revoke_key(std::string_view id, std::int64_t now) override;
  Result<bool> any_key() override;

  Result<void> insert_response(const ResponseRecord& response) override;
  Result<ResponseRecord> get_response(std::string_view tenant, std::string_view id) override;
  Result<void> delete_response(std::string_view tenant, std::string_view id) override;

  Result<std::vector<std::vector<float>>> find_embeddings(const std::vector<std::string>& keys) override;
  Result<void> remember_embeddings(const EmbeddingUse& use) override;

 private:
  // Runs `query` (Connection& → Result<T>) over one consistent snapshot.
  template <class Query>
  std::invoke_result_t<Query, Connection&> read(Query query) {
    RAGTIME_TRY(auto connection, readers_.acquire());
    RAGTIME_TRY_DONE(connection->execute("BEGIN"));
    auto result = query(*connection);
    RAGTIME_TRY_DONE(connection->execute("COMMIT"));
    readers_.release(std::move(connection));
    return result;
  }

  // Runs `change` (Connection& → Result<T>) on the writer; durable when this returns with a value.
  template <class Change>
  std::invoke_result_t<Change, Connection&> write(Change change) {
    std::optional<std::invoke_result_t<Change, Connection&>> result;
    RAGTIME_TRY_DONE(writer_.run([&](Connection& connection) -> Result<void> {
      result.emplace(change(connection));
      if (result->has_error()) return result->error();
      return {};
    }));
    return std::move(*result);
  }

  ReaderPool readers_;
  GroupWriter writer_;
};

}  // namespace ragtime::storage
