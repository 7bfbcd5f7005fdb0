#include "engine/store_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "index/lexical_segment.h"

namespace ragtime::engine {
namespace {

// A start reads what changed since the last snapshot row by row: some ten thousand of these are no matter.
constexpr std::size_t kDocumentChangesLeast = 4'096;
constexpr std::size_t kDocumentShare = 4;
// Recent chunks are written as a whole, so that saving them again pays when they have grown by a share.
constexpr std::size_t kUnsavedLeast = 4'096;
constexpr std::size_t kUnsavedShare = 8;
// Before a stop, which is to be quick, fewer are left to rows.
constexpr std::size_t kUnsavedAtStop = 256;

// Walks over ascending ids and disjoint, ascending ranges together.
class RangeCursor {
 public:
  explicit RangeCursor(std::span<const storage::ChunkRange> ranges) : ranges_(ranges) {}

  // Precondition: ids ascend from call to call.
  bool contains(index::ChunkId id) {
    while (next_ < ranges_.size() && ranges_[next_].last < id) ++next_;
    return next_ < ranges_.size() && ranges_[next_].first <= id;
  }

 private:
  std::span<const storage::ChunkRange> ranges_;
  std::size_t next_ = 0;
};

std::vector<index::ChunkId> outside(std::span<const index::ChunkId> ids, std::span<const storage::ChunkRange> ranges) {
  RangeCursor cursor(ranges);
  std::vector<index::ChunkId> result;
  for (const auto id : ids) {
    if (!cursor.contains(id)) result.push_back(id);
  }
  return result;
}

void append(std::vector<storage::ChunkRange>& ranges, index::ChunkId first, index::ChunkId last) {
  if (first > last) return;
  if (!ranges.empty() && ranges.back().last + 1 == first) {
    ranges.back().last = last;
  } else {
    ranges.push_back({first, last});
  }
}

// What of the ranges is not among the ascending ids.
std::vector<storage::ChunkRange> lacking(std::span<const index::ChunkId> ids,
                                         std::span<const storage::ChunkRange> ranges) {
  std::vector<storage::ChunkRange> missing;
  auto id = ids.begin();
  for (const auto& range : ranges) {
    index::ChunkId next = range.first;
    while (id != ids.end() && *id < next) ++id;
    for (; id != ids.end() && *id <= range.last; ++id) {
      append(missing, next, *id - 1);
      next = *id + 1;
    }
    append(missing, next, range.last);
  }
  return missing;
}

DocumentEntry entry_of(storage::DocumentChunks document) {
  DocumentEntry entry;
  entry.info.file_id = std::move(document.file_id);
  entry.info.filename = std::move(document.filename);
  entry.info.attributes = std::move(document.attributes);
  entry.chunks = document.chunks;
  entry.embedded = document.embedded;
  return entry;
}

}  // namespace

std::vector<index::Hit> StoreView::search_lexical(const text::SearchTerms& terms, std::size_t k,
                                                  const std::optional<index::Filter>& filter) const {
  const auto selection = filter ? documents_->select(*filter) : nullptr;
  index::LexicalQuery query;
  query.terms = terms.terms;
  query.phrases = terms.phrases;
  query.words = terms.words;
  query.k = k;
  query.selection = selection.get();
  return lexical_->search(query);
}

std::vector<index::Hit> StoreView::search_dense(std::span<const float> query, std::size_t k,
                                                const std::optional<index::Filter>& filter) const {
  if (!vectors_ || vectors_->dimensions() != query.size()) return {};
  const auto selection = filter ? documents_->select(*filter) : nullptr;
  index::VectorQuery vector_query;
  vector_query.vector = query;
  vector_query.k = k;
  vector_query.selection = selection.get();
  return vectors_->search(vector_query);
}

std::vector<std::optional<float>> StoreView::dense_scores(std::span<const float> query,
                                                          const std::vector<index::ChunkId>& ids) const {
  if (!vectors_ || vectors_->dimensions() != query.size()) return std::vector<std::optional<float>>(ids.size());
  return vectors_->scores(query, ids);
}

IndexReport StoreView::report() const {
  IndexReport report;
  report.documents = documents_->documents();
  report.chunks = documents_->chunks();
  report.lexical = lexical_->report();
  if (vectors_) report.vectors = vectors_->report();
  return report;
}

StoreIndex::StoreIndex(std::string id, std::string tenant, StoreIndexOptions options)
    : id_(std::move(id)),
      tenant_(std::move(tenant)),
      options_(options),
      lexical_options_(options.lexical),
      lexical_(options.lexical) {
  publish_locked(true);
}

StoreIndex::~StoreIndex() = default;

std::shared_ptr<const StoreView> StoreIndex::view() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

void StoreIndex::publish_locked(bool documents_changed) {
  const auto former = view();
  auto next = std::make_shared<StoreView>();
  next->id_ = id_;
  next->embedding_model_ = embedding_model_;
  next->lexical_ = lexical_.view();
  next->vectors_ = vectors_ ? vectors_->view() : nullptr;
  next->documents_ = documents_changed || !former ? documents_.table() : former->documents_;
  merge_due_ = lexical_.merge_due() || (vectors_ && vectors_->merge_due()) || forced_locked() ||
               documents_due_locked() || recent_due_locked();
  std::shared_ptr<const StoreView> published = std::move(next);
  const std::lock_guard lock(view_mutex_);
  view_.swap(published);
}

bool StoreIndex::documents_due_locked() const {
  return document_changes_ > std::max(kDocumentChangesLeast, documents_.size() / kDocumentShare);
}

void StoreIndex::set_embedding(const std::string& model, std::size_t dimensions) {
  const std::lock_guard lock(writer_);
  const bool same = model == embedding_model_ && vectors_ && vectors_->dimensions() == dimensions;
  if (same) return;
  embedding_model_ = model;
  vectors_ = std::make_shared<index::VectorIndex>(dimensions, options_.vectors);
  publish_locked(false);
}

void StoreIndex::set_lexical(const index::LexicalOptions& options) {
  const std::lock_guard lock(writer_);
  if (options == lexical_options_) return;
  lexical_options_ = options;
  lexical_.set_options(options);
  publish_locked(false);
}

index::LexicalOptions StoreIndex::lexical_options() const {
  const std::lock_guard lock(writer_);
  return lexical_options_;
}

bool StoreIndex::has_vectors_of(std::string_view model, std::size_t dimensions) const {
  const auto now = view();
  return now->embedding_model_ == model && now->vectors() > 0 && now->vectors_->dimensions() == dimensions;
}

void StoreIndex::replace(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks,
                         std::string_view replaced_file_id) {
  const std::lock_guard lock(writer_);
  Change change;
  if (!replaced_file_id.empty()) remove_locked(replaced_file_id, change);
  remove_locked(document.file_id, change);
  add_locked(document, chunks, change);
  apply_locked(change);
}

void StoreIndex::remove(std::string_view file_id) {
  const std::lock_guard lock(writer_);
  Change change;
  remove_locked(file_id, change);
  if (!change.removed.empty()) apply_locked(change);
}

void StoreIndex::set_attributes(std::string_view file_id, const Attributes& attributes) {
  const std::lock_guard lock(writer_);
  const auto* found = documents_.find(file_id);
  if (found == nullptr) return;
  DocumentEntry entry = *found;
  entry.info.attributes = attributes;
  documents_.put(std::move(entry));
  ++document_changes_;
  publish_locked(true);
}

void StoreIndex::remove_locked(std::string_view file_id, Change& change) {
  const auto chunks = documents_.remove(file_id);
  if (!chunks) return;
  ++document_changes_;
  for (auto id = chunks->first; id <= chunks->last; ++id) change.removed.push_back(id);
}

void StoreIndex::add_locked(const DocumentInfo& document, const std::vector<IndexedChunk>& chunks, Change& change) {
  if (chunks.empty()) return;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const IndexedChunk& chunk = chunks[i];
    RAGTIME_CHECK(chunk.id == chunks.front().id + static_cast<index::ChunkId>(i));
    change.terms.push_back({chunk.id, chunk.heading, chunk.body});
    if (chunk.embedding.empty()) continue;
    RAGTIME_CHECK(vectors_ && vectors_->dimensions() == chunk.embedding.size());
    change.vectors.push_back({chunk.id, chunk.embedding});
  }
  documents_.put(DocumentEntry{document, {chunks.front().id, chunks.back().id}, !change.vectors.empty()});
  ++document_changes_;
}

void StoreIndex::apply_locked(const Change& change) {
  lexical_.apply(change.removed, change.terms);
  if (vectors_) vectors_->apply(change.removed, change.vectors);
  changes_ += change.removed.size() + change.terms.size();
  unsaved_ += change.terms.size();
  publish_locked(true);
}

StartingDocuments::StartingDocuments(std::vector<storage::DocumentChunks> documents, std::size_t unsaved_in)
    : unsaved(unsaved_in) {
  table.reserve(documents.size());
  for (auto& document : documents) {
    append(chunks, document.chunks.first, document.chunks.last);
    if (document.embedded) append(embedded, document.chunks.first, document.chunks.last);
    table.put(entry_of(std::move(document)));
  }
  table.index_attributes();
}

MissingChunks StoreIndex::restore(StartingDocuments documents, std::optional<index::LexicalIndex> lexical,
                                  std::optional<index::VectorIndex> vectors, const SavedRecent& recent) {
  const std::lock_guard lock(writer_);
  document_changes_ = documents.unsaved;
  documents_ = std::move(documents.table);
  if (lexical) {
    lexical_ = std::move(*lexical);
    lexical_.set_options(lexical_options_);
  }
  MissingChunks missing;
  missing.lexical = lacking(lexical_.base_ids(), documents.chunks);
  auto gone = outside(lexical_.base_ids(), documents.chunks);
  if (recent.lexical) {
    missing.lexical = lacking(recent.lexical->ids(), missing.lexical);
    const auto also_gone = outside(recent.lexical->ids(), documents.chunks);
    gone.insert(gone.end(), also_gone.begin(), also_gone.end());
    lexical_.add(recent.lexical);
  }
  lexical_.apply(gone, {});
  if (vectors_) missing.vectors = restore_vectors(std::move(vectors), recent.vectors, documents.embedded);
  publish_locked(true);
  return missing;
}

std::vector<storage::ChunkRange> StoreIndex::restore_vectors(std::optional<index::VectorIndex> vectors,
                                                             const index::SavedVectors& recent,
                                                             std::span<const storage::ChunkRange> embedded) {
  if (vectors) vectors_ = std::make_shared<index::VectorIndex>(std::move(*vectors));
  const auto missing = lacking(vectors_->base_ids(), embedded);
  RangeCursor cursor(missing);
  std::vector<index::VectorIndex::Addition> added;
  for (std::size_t i = 0; i < recent.ids.size(); ++i) {
    if (!cursor.contains(recent.ids[i])) continue;
    added.push_back({recent.ids[i], recent.vector(i, vectors_->dimensions())});
  }
  vectors_->apply(outside(vectors_->base_ids(), embedded), added);
  return lacking(recent.ids, missing);
}

void StoreIndex::fill(std::span<const index::LexicalIndex::Addition> lexical,
                      std::span<const index::VectorIndex::Addition> vectors) {
  const auto segment = index::LexicalIndex::segment(lexical, lexical_options());
  const std::lock_guard lock(writer_);
  lexical_.add(segment);
  if (!vectors.empty()) vectors_->apply({}, vectors);
  changes_ += std::max(lexical.size(), vectors.size());
  unsaved_ += std::max(lexical.size(), vectors.size());
  publish_locked(false);
}

bool StoreIndex::recent_due_locked() const {
  if (options_.save_changes > 0) return unsaved_ >= options_.save_changes;
  if (unsaved_ <= kUnsavedLeast) return false;
  return unsaved_ > lexical_.view()->report().recent / kUnsavedShare;
}

bool StoreIndex::worth_saving() {
  const std::lock_guard lock(writer_);
  const std::size_t least = options_.save_changes > 0 ? 1 : kUnsavedAtStop;
  return std::max(unsaved_, document_changes_) >= least;
}

RecentChunks StoreIndex::recent() {
  RecentChunks recent;
  std::shared_ptr<const index::LexicalView> lexical;
  {
    const std::lock_guard lock(writer_);
    lexical = lexical_.view();
    recent.vectors = vectors_ ? vectors_->view() : nullptr;
    recent.embedding_model = embedding_model_;
    recent.dimensions = vectors_ ? vectors_->dimensions() : 0;
    unsaved_ = 0;
    publish_locked(false);
  }
  recent.lexical = index::LexicalIndex::recent(*lexical);
  const bool has_vectors = recent.vectors && recent.vectors->report().recent > 0;
  if (!recent.lexical && has_vectors) recent.lexical = index::LexicalIndex::segment({}, lexical_options());
  return recent;
}

bool StoreIndex::changed_since_merge() {
  const std::lock_guard lock(writer_);
  return changes_ > 0;
}

MergedBases StoreIndex::merge(std::stop_token stop) {
  MergedBases merged;
  std::shared_ptr<const index::LexicalView> lexical;
  std::shared_ptr<index::VectorIndex> vectors;
  std::shared_ptr<const index::VectorView> vector_view;
  {
    const std::lock_guard lock(writer_);
    if (lexical_.merge_due() || forced_locked()) lexical = lexical_.view();
    if (vectors_ && (vectors_->merge_due() || forced_locked())) {
      vectors = vectors_;
      vector_view = vectors->view();
      merged.embedding_model = embedding_model_;
      merged.dimensions = vectors->dimensions();
    }
    changes_ = 0;
    document_changes_ = 0;
  }
  // The lexical index is replaced at start only, and merging is what any thread may do beside its writer.
  if (lexical) merged.lexical = lexical_.merge(*lexical);
  if (vectors) merged.vectors = vectors->merge(*vector_view, std::move(stop));
  const std::lock_guard lock(writer_);
  if (lexical) lexical_.adopt(merged.lexical);
  if (merged.vectors && vectors == vectors_) {
    vectors->adopt(merged.vectors);
  } else {
    merged.vectors = nullptr;
  }
  publish_locked(false);
  return merged;
}

}  // namespace ragtime::engine
