// StoreIndex: the indexes of one vector store in memory: postings, vectors, and which document each chunk is of.
//
// 1. A StoreView is the store at one moment and never changes. All parts of a search use the same one, so that both
//    arms, the scores and the filter agree. A change makes a new view, which shows all of it or nothing.
// 2. Taking a view takes a lock for as long as copying a pointer: readers wait neither for changes nor for merges.
// 3. Changes run one at a time. merge() runs beside them and beside itself not at all.
// Ids of chunks come from the database and are unique among stores; those of a document follow each other.
// Thread safety: every member may be called from any thread, restore() and fill() excepted: they come before all
// others, fill() from several threads at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/document_table.h"
#include "engine/index_report.h"
#include "index/filter.h"
#include "index/lexical_index.h"
#include "index/vector_index.h"
#include "storage/records.h"
#include "text/query.h"

namespace ragtime::engine {

struct IndexedChunk {
  index::ChunkId id = 0;
  std::vector<std::string> heading{};  // Terms.
  std::vector<std::string> body{};
  std::vector<float> embedding{};  // Normalised; empty when the chunk is not embedded.
};

struct StoreIndexOptions {
  index::LexicalOptions lexical{};
  index::VectorIndexOptions vectors{};
  std::size_t merge_changes = 0;  // For tests: a merge is due after so many changed chunks; 0: when the indexes say so.
  std::size_t save_changes = 0;   // For tests: recent chunks are to be saved after so many more; 0: when it pays.
};

class StoreView {
 public:
  const std::string& id() const { return id_; }
  std::string embedding_model() const { return embedding_model_; }
  std::size_t chunks() const { return documents_->chunks(); }
  std::size_t vectors() const { return vectors_ ? vectors_->size() : 0; }
  std::size_t dimensions() const { return vectors_ ? vectors_->dimensions() : 0; }

  std::vector<index::Hit> search_lexical(const text::SearchTerms& terms, std::size_t k,
                                         const std::optional<index::Filter>& filter) const;
  // Nothing when the query's vector is of another size than the store's.
  std::vector<index::Hit> search_dense(std::span<const float> query, std::size_t k,
                                       const std::optional<index::Filter>& filter) const;
  // The cosine of each chunk; nothing for chunks without a vector.
  std::vector<std::optional<float>> dense_scores(std::span<const float> query,
                                                 const std::vector<index::ChunkId>& ids) const;
  // Nothing when it is not in this view, or has left the store since.
  std::optional<DocumentInfo> document(std::string_view file_id) const { return documents_->document(file_id); }
  std::optional<std::int64_t> first_chunk(std::string_view file_id) const { return documents_->first_chunk(file_id); }
  const DocumentTable& documents() const { return *documents_; }
  IndexReport report() const;

 private:
  friend class StoreIndex;

  std::string id_;
  std::string embedding_model_;
  std::shared_ptr<const index::LexicalView> lexical_;
  std::shared_ptr<const index::VectorView> vectors_;  // Null without a model.
  std::shared_ptr<const DocumentTable> documents_;
};

// Ids that an index was found to lack, ascending.
struct MissingChunks {
  std::vector<storage::ChunkRange> lexical;
  std::vector<storage::ChunkRange> vectors;
};

// What merge() made; null where nothing was due, and for vectors that it was asked to stop with.
struct MergedBases {
  std::shared_ptr<const index::LexicalSegment> lexical;
  std::shared_ptr<const index::VectorSegment> vectors;
  std::string embedding_model;  // Of the vectors.
  std::size_t dimensions = 0;
};

// What no merge has taken in yet, to be saved.
struct RecentChunks {
  std::shared_ptr<const index::LexicalSegment> lexical;  // Null: none.
  std::shared_ptr<const index::VectorView> vectors;      // Those outside its base; null without a model.
  std::string embedding_model;
  std::size_t dimensions = 0;
};

// The same as it was saved. It may have what a base has, and what has gone since.
struct SavedRecent {
  std::shared_ptr<const index::LexicalSegment> lexical;  // Null: none.
  index::SavedVectors vectors;
};

// The documents of a store at a start, ready to be restored. Making it takes some microseconds a document.
struct StartingDocuments {
  StartingDocuments() = default;
  // `documents` in the order of their chunks. `unsaved`: how many of them a snapshot lacks.
  explicit StartingDocuments(std::vector<storage::DocumentChunks> documents, std::size_t unsaved = 0);

  DocumentTableWriter table;
  std::vector<storage::ChunkRange> chunks;    // Of all documents, ascending and joined.
  std::vector<storage::ChunkRange> embedded;  // Of those with vectors, likewise.
  std::size_t unsaved = 0;
};

class StoreIndex {
 public:
  StoreIndex(std::string id, std::string tenant, StoreIndexOptions options = {});
  ~StoreIndex();

  const std::string& id() const { return id_; }
  const std::string& tenant() const { return tenant_; }
  std::shared_ptr<const StoreView> view() const;

  // The model of the vectors. Changing it drops all vectors: the database allows that only when there are none.
  void set_embedding(const std::string& model, std::size_t dimensions);
  std::string embedding_model() const { return view()->embedding_model(); }
  // Searches that begin later rank by these; nothing is indexed anew.
  void set_lexical(const index::LexicalOptions& options);
  index::LexicalOptions lexical_options() const;
  bool has_vectors_of(std::string_view model, std::size_t dimensions) const;
  std::size_t dimensions() const { return view()->dimensions(); }  // 0 without a model.
  std::size_t chunks() const { return view()->chunks(); }
  std::size_t vectors() const { return view()->vectors(); }

  // Removes the chunks of the document, and of the one that it replaces if any, then adds these.
  // Preconditions: the ids of the chunks follow each other; vectors are as long as the model's.
  void replace(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks,
               std::string_view replaced_file_id);
  void remove(std::string_view file_id);
  void set_attributes(std::string_view file_id, const Attributes& attributes);

  // Start: the documents that there are, with what is left of former indexes of the store. What these have too much is
  // removed; what they lack is returned, and added by fill().
  MissingChunks restore(StartingDocuments documents, std::optional<index::LexicalIndex> lexical,
                        std::optional<index::VectorIndex> vectors, const SavedRecent& recent = {});
  void fill(std::span<const index::LexicalIndex::Addition> lexical,
            std::span<const index::VectorIndex::Addition> vectors);

  // Also when nothing but a snapshot of the documents or of recent chunks is due.
  bool merge_due() const { return merge_due_; }
  // Since the last merge began.
  bool changed_since_merge();
  // Long. Precondition: no other thread is in here.
  MergedBases merge(std::stop_token stop = {});

  // What the next start would have to read from rows is worth saving before a stop.
  bool worth_saving();
  // Some microseconds a chunk.
  RecentChunks recent();

 private:
  struct Change {
    std::vector<index::ChunkId> removed;
    std::vector<index::LexicalIndex::Addition> terms;
    std::vector<index::VectorIndex::Addition> vectors;
  };

  void remove_locked(std::string_view file_id, Change& change);
  void add_locked(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks, Change& change);
  void apply_locked(const Change& change);
  void publish_locked(bool documents_changed);
  bool forced_locked() const { return options_.merge_changes > 0 && changes_ >= options_.merge_changes; }
  // So many documents changed since the last merge that the next start had better not read them one by one.
  bool documents_due_locked() const;
  bool recent_due_locked() const;
  std::vector<storage::ChunkRange> restore_vectors(std::optional<index::VectorIndex> vectors,
                                                   const index::SavedVectors& recent,
                                                   std::span<const storage::ChunkRange> embedded);

  const std::string id_;
  const std::string tenant_;
  const StoreIndexOptions options_;

  mutable std::mutex writer_;  // Guards what follows, up to view_mutex_.
  index::LexicalOptions lexical_options_;
  std::string embedding_model_;
  index::LexicalIndex lexical_;
  std::shared_ptr<index::VectorIndex> vectors_;  // Null without a model. Shared with a merge that may outlive it here.
  DocumentTableWriter documents_;
  std::size_t changes_ = 0;           // Chunks, since the last merge began.
  std::size_t document_changes_ = 0;  // Likewise.
  std::size_t unsaved_ = 0;           // Chunks added since recent() was last called.

  mutable std::mutex view_mutex_;
  std::shared_ptr<const StoreView> view_;  // Guarded by view_mutex_.
  std::atomic<bool> merge_due_ = false;
};

}  // namespace ragtime::engine
