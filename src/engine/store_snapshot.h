// StoreSnapshot: the bases of a store's indexes and its documents on disk, so that a start need not read what they hold.
//
// `lexical.snapshot`, `vectors.snapshot`, `documents.snapshot` and, of chunks that no merge has taken in yet,
// `recent.snapshot` in a directory of the store's, mode 0700. Each says in its column "origin" what it was made from:
// the store, the analysis of the terms, the model of the vectors. One that is damaged, of anything else, or newer than
// the database, is reported, deleted and never used: the rows have everything.
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/document_columns.h"
#include "engine/store_index.h"
#include "index/lexical_index.h"
#include "index/vector_index.h"

namespace ragtime::engine {

class StoreSnapshot {
 public:
  // Called with the file that is not used, and why.
  using Report = std::function<void(const std::filesystem::path&, const Error&)>;

  StoreSnapshot(std::filesystem::path directory, std::string store_id);

  // Writes what is there. Errors: unavailable (disk), naming the file.
  Result<void> save(const MergedBases& bases) const;

  // Replaces what was saved of recent chunks, also by nothing. Errors: as save().
  Result<void> save_recent(const RecentChunks& recent) const;

  // `change`: the last change of documents in the database that they show. Errors: as save().
  Result<void> save_documents(const DocumentTable& documents, std::int64_t change) const;

  // Nothing when there is none to be used. `newest_chunk_id`: see Database.
  std::optional<index::LexicalIndex> load_lexical(const index::LexicalOptions& options, std::int64_t newest_chunk_id,
                                                  const Report& report) const;
  std::optional<index::VectorIndex> load_vectors(const std::string& model, std::size_t dimensions,
                                                 const index::VectorIndexOptions& options, std::int64_t newest_chunk_id,
                                                 const Report& report) const;

  // `model` is empty and `dimensions` 0 without vectors.
  std::optional<SavedRecent> load_recent(const std::string& model, std::size_t dimensions,
                                         const index::LexicalOptions& options, std::int64_t newest_chunk_id,
                                         const Report& report) const;

  // The database's changes since are the caller's to bring in, and when it does not have them, to discard this.
  std::optional<SavedDocuments> load_documents(const Report& report) const;
  void discard_documents(const Error& reason, const Report& report) const;

  // Deletes the directory. Errors are left to the next start, which removes what belongs to no store.
  void remove() const;

 private:
  Result<void> create_directory() const;
  std::filesystem::path lexical_file() const { return directory_ / "lexical.snapshot"; }
  std::filesystem::path vector_file() const { return directory_ / "vectors.snapshot"; }
  std::filesystem::path recent_file() const { return directory_ / "recent.snapshot"; }
  std::string recent_origin(std::string_view model, std::size_t dimensions) const;
  std::filesystem::path document_file() const { return directory_ / "documents.snapshot"; }
  std::string lexical_origin() const;
  std::string document_origin() const { return "store=" + store_id_; }
  std::string vector_origin(std::string_view model, std::size_t dimensions) const;

  std::filesystem::path directory_;
  std::string store_id_;
};

}  // namespace ragtime::engine
