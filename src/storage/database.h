// Database: the seam to SQL. SQLite now; PostgreSQL later behind the same contract suite (database_contract_test.cpp).
//
// 1. Each mutating call is one transaction: durable when it returns, or without any effect.
// 2. Reads see a consistent state; a document's chunks are all there or not at all.
// 3. Calls block (disk): run them on a thread pool, not on an event loop.
// 4. Lookups name the tenant; what belongs to another tenant is not_found.
// Thread safety: every member may be called from any thread.
// Errors beside those named: unavailable (disk full, locked), corrupt (damaged file), internal.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/records.h"

namespace ragtime::storage {

class Database {
 public:
  virtual ~Database() = default;

  // Files. ------------------------------------------------------------------------------------------------------
  virtual Result<void> insert_file(const FileRecord& file) = 0;
  virtual Result<FileRecord> get_file(std::string_view tenant, std::string_view id) = 0;
  // `purpose` empty: all. not_found when the cursor is unknown.
  virtual Result<Page<FileRecord>> list_files(std::string_view tenant, std::string_view purpose,
                                              const PageRequest& page) = 0;
  // Removes the file, its documents in every store and all their chunks. Returns the stores it was in.
  virtual Result<std::vector<std::string>> delete_file(std::string_view tenant, std::string_view id) = 0;
  // Whether any file still refers to the content.
  virtual Result<bool> blob_in_use(std::string_view sha256) = 0;

  // Vector stores. ----------------------------------------------------------------------------------------------
  virtual Result<void> insert_store(const VectorStoreRecord& store) = 0;
  virtual Result<VectorStoreRecord> get_store(std::string_view tenant, std::string_view id) = 0;
  // The oldest store of that name.
  virtual Result<VectorStoreRecord> find_store_by_name(std::string_view tenant, std::string_view name) = 0;
  virtual Result<Page<VectorStoreRecord>> list_stores(std::string_view tenant, const PageRequest& page) = 0;
  // Writes name, description, metadata, expiry and last_active_at.
  virtual Result<void> update_store(const VectorStoreRecord& store) = 0;
  // conflict when the store already holds vectors of another model.
  virtual Result<void> set_store_embedding(std::string_view store_id, std::string_view model,
                                           std::int64_t dimensions) = 0;
  // Removes the store with its documents and chunks; the files stay.
  virtual Result<void> delete_store(std::string_view tenant, std::string_view id) = 0;
  // Every store of every tenant; for start-up.
  virtual Result<std::vector<VectorStoreRecord>> all_stores() = 0;

  // Documents: files in stores. Callers have checked the store's tenant. -------------------------------------------
  // conflict when the file is already in the store. Inserts as given, usually in_progress.
  virtual Result<void> insert_document(const DocumentRecord& document) = 0;
  virtual Result<DocumentRecord> get_document(std::string_view store_id, std::string_view file_id) = 0;
  virtual Result<DocumentRecord> find_document_by_path(std::string_view store_id, std::string_view path) = 0;
  // Documents whose path starts with `prefix`, by path; those without a path never match.
  virtual Result<std::vector<DocumentRecord>> list_documents_by_path(std::string_view store_id,
                                                                     std::string_view prefix) = 0;
  virtual Result<Page<DocumentRecord>> list_documents(std::string_view store_id, std::string_view batch_id,
                                                      std::optional<DocumentStatus> status,
                                                      const PageRequest& page) = 0;
  virtual Result<void> set_document_attributes(std::string_view store_id, std::string_view file_id,
                                               const Attributes& attributes) = 0;
  // Marks failed or cancelled and removes any chunks. A cancelled document stays cancelled.
  virtual Result<void> fail_document(std::string_view store_id, std::string_view file_id, DocumentStatus status,
                                     std::string_view error_code, std::string_view error_message) = 0;

  struct CommitDocument {
    DocumentRecord document;          // Inserted, or updated when present; becomes completed.
    std::optional<FileRecord> file;   // Inserted first when given (ingest of a path: file and chunks in one commit).
    std::string replaces_file_id;     // A document of the same store that disappears in this commit, with its file
                                      // unless another store has it too. Unknown ids are ignored.
    std::string text;                 // The whole extracted text.
    std::vector<ChunkRecord> chunks;  // Ids are assigned, ascending by one, and returned.
    EmbeddingUse embeddings;          // As remember_embeddings(), in the same transaction.
  };
  // Replaces all chunks of the document in one transaction. Returns the chunks' ids, in order.
  // A document that was in_progress keeps the attributes it has: they may have been set while it was being indexed.
  // not_found when the document was deleted meanwhile and `file` is not given; conflict when it was cancelled, and
  // when the file or its path is already in the store.
  virtual Result<std::vector<std::int64_t>> commit_document(const CommitDocument& commit) = 0;
  // Detaches the file from the store with its chunks; the file stays.
  virtual Result<void> delete_document(std::string_view store_id, std::string_view file_id) = 0;
  virtual Result<std::string> get_document_text(std::string_view store_id, std::string_view file_id) = 0;
  // Everything still in_progress, oldest first; for start-up.
  virtual Result<std::vector<DocumentRecord>> unfinished_documents() = 0;

  // Chunks. -----------------------------------------------------------------------------------------------------
  // Calls `visit` for every chunk of the store in the range, in id order, with its document. Stops on an error.
  virtual Result<void> scan_chunks(
      std::string_view store_id, const ChunkRange& range,
      const std::function<Result<void>(const ChunkRecord&, const DocumentRecord&)>& visit) = 0;
  // Every completed document of the store with chunks, in the order of their ids. Reads no chunk: for start-up, some
  // microseconds a document.
  virtual Result<std::vector<DocumentChunks>> list_document_chunks(std::string_view store_id) = 0;
  // Changes of documents are numbered, ascending, never twice. The number of the newest one of any store, 0 before the
  // first.
  virtual Result<std::int64_t> newest_document_change() = 0;
  // What list_document_chunks() shows otherwise than after the change numbered `since`. Nothing when that cannot be
  // told: changes since then have been forgotten, or this database has never had that one. not_found (the store).
  virtual Result<std::optional<DocumentChanges>> document_changes(std::string_view store_id, std::int64_t since) = 0;
  // Nobody will ask for changes since an earlier one than `until` any more.
  virtual Result<void> forget_document_changes(std::string_view store_id, std::int64_t until) = 0;
  // The highest id that was ever given to a chunk of any store, 0 before the first. An index that holds a higher one
  // was not made from this database.
  virtual Result<std::int64_t> newest_chunk_id() = 0;
  // In the order of `ids`; ids that no longer exist are left out. Without embeddings.
  virtual Result<std::vector<ChunkRecord>> get_chunks(const std::vector<std::int64_t>& ids) = 0;

  // Batches. ----------------------------------------------------------------------------------------------------
  // The batch and its documents, in one transaction.
  virtual Result<void> insert_batch(const BatchRecord& batch, const std::vector<DocumentRecord>& documents) = 0;
  virtual Result<BatchRecord> get_batch(std::string_view store_id, std::string_view id) = 0;
  // Documents still in_progress become cancelled.
  virtual Result<void> cancel_batch(std::string_view store_id, std::string_view id) = 0;

  // Keys. -------------------------------------------------------------------------------------------------------
  virtual Result<void> insert_key(const ApiKeyRecord& key) = 0;
  virtual Result<std::vector<ApiKeyRecord>> list_keys() = 0;         // Revoked ones too, oldest first.
  virtual Result<ApiKeyRecord> find_key(std::string_view hash) = 0;  // not_found for revoked ones as well.
  virtual Result<void> revoke_key(std::string_view id, std::int64_t now) = 0;
  virtual Result<bool> any_key() = 0;  // Whether a key was ever created and not revoked.

  // Responses. --------------------------------------------------------------------------------------------------
  virtual Result<void> insert_response(const ResponseRecord& response) = 0;
  virtual Result<ResponseRecord> get_response(std::string_view tenant, std::string_view id) = 0;
  virtual Result<void> delete_response(std::string_view tenant, std::string_view id) = 0;

  // Embedding cache: derived data, bounded, without tenants. ------------------------------------------------------
  // In the order of `keys`; empty where there is none.
  virtual Result<std::vector<std::vector<float>>> find_embeddings(const std::vector<std::string>& keys) = 0;
  // A key that is there already keeps its vector and counts as used.
  virtual Result<void> remember_embeddings(const EmbeddingUse& use) = 0;
};

// Opens or creates the file (mode 0600, WAL, synchronous=FULL) and brings its schema up to date.
// Errors: corrupt, unavailable (not writable), conflict (written by a newer version).
Result<std::unique_ptr<Database>> open_sqlite(const std::filesystem::path& file);

// Reads the whole file and checks its structure; another process may have it open. Errors: corrupt, unavailable.
Result<void> check_sqlite(const std::filesystem::path& file);

}  // namespace ragtime::storage
