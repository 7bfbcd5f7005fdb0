#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/chunk_text.h"
#include "engine/hybrid_engine.h"
#include "engine/normalise.h"
#include "engine/parallel_for.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kLoadBatch = 4'096;  // Chunks that are added at a time.
constexpr std::int64_t kGapReadMax = 64;   // Rows read in vain cost less than another query.

Error damaged_vector(const storage::ChunkRecord& chunk) {
  return make_error(ErrorCode::corrupt, "chunk " + std::to_string(chunk.id) + " of '" + chunk.store_id +
                                            "' has a vector of another size than its store; ingest the document again");
}

bool contains(const std::vector<storage::ChunkRange>& ranges, std::int64_t id) {
  const auto ends_before = [](const storage::ChunkRange& range, std::int64_t value) { return range.last < value; };
  const auto found = std::lower_bound(ranges.begin(), ranges.end(), id, ends_before);
  return found != ranges.end() && found->first <= id;
}

// All that is missing, in as few ranges as pays.
std::vector<storage::ChunkRange> to_read(const MissingChunks& missing) {
  std::vector<storage::ChunkRange> all = missing.lexical;
  all.insert(all.end(), missing.vectors.begin(), missing.vectors.end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<storage::ChunkRange> joined;
  for (const auto& range : all) {
    if (!joined.empty() && range.first <= joined.back().last + kGapReadMax) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

// Reading rows is quick, analysing their text is not: it runs on all cores, a batch at a time.
class Loader {
 public:
  Loader(StoreIndex& store, const MissingChunks& missing, std::size_t dimensions, async::ThreadPool& pool)
      : store_(store), missing_(missing), dimensions_(dimensions), pool_(pool) {}

  Result<void> add(const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) {
    if (contains(missing_.lexical, chunk.id)) {
      rows_.push_back(Row{document.title, document.filename, chunk.chunk});
      terms_.emplace_back().id = chunk.id;
    }
    if (!chunk.embedding.empty() && contains(missing_.vectors, chunk.id)) {
      if (chunk.embedding.size() != dimensions_) return damaged_vector(chunk);
      embeddings_.push_back(normalised(chunk.embedding));
      vector_ids_.push_back(chunk.id);
    }
    if (std::max(rows_.size(), vector_ids_.size()) >= kLoadBatch) flush();
    return {};
  }

  void flush() {
    parallel_for(pool_, rows_.size(), [this](std::size_t i) {
      auto fields = lexical_fields(rows_[i].title, rows_[i].filename, rows_[i].chunk);
      terms_[i].heading = std::move(fields.heading);
      terms_[i].body = std::move(fields.body);
    });
    std::vector<index::VectorIndex::Addition> vectors;
    for (std::size_t i = 0; i < vector_ids_.size(); ++i) vectors.push_back({vector_ids_[i], embeddings_[i]});
    store_.fill(terms_, vectors);
    rows_.clear();
    terms_.clear();
    embeddings_.clear();
    vector_ids_.clear();
  }

 private:
  struct Row {
    std::string title;
    std::string filename;
    text::Chunk chunk;
  };

  StoreIndex& store_;
  const MissingChunks& missing_;
  const std::size_t dimensions_;
  async::ThreadPool& pool_;
  std::vector<Row> rows_;
  std::vector<index::LexicalIndex::Addition> terms_;  // Of rows_.
  std::vector<std::vector<float>> embeddings_;
  std::vector<index::ChunkId> vector_ids_;  // Of embeddings_.
};

}  // namespace

Result<void> HybridEngine::load() {
  RAGTIME_TRY(const auto records, database_.all_stores());
  RAGTIME_TRY(const auto newest, database_.newest_chunk_id());
  std::unordered_set<std::string> ids;
  for (const auto& record : records) {
    ids.insert(record.id);
    RAGTIME_TRY_DONE(load_store(record, newest));
  }
  maintenance_.remove_orphans(ids);
  return {};
}

// From the snapshot and what changed since, or else from all rows.
Result<HybridEngine::LoadedDocuments> HybridEngine::load_documents(const StoreIndex& store) {
  LoadedDocuments loaded;
  if (auto saved = maintenance_.load_documents(store)) {
    RAGTIME_TRY(auto changes, database_.document_changes(store.id(), saved->change));
    if (changes) {
      loaded.unsaved = changes->present.size() + changes->absent.size();
      loaded.documents = brought_up_to_date(std::move(*saved), std::move(*changes));
      return loaded;
    }
    maintenance_.discard_documents(store);
  }
  RAGTIME_TRY(loaded.documents, database_.list_document_chunks(store.id()));
  loaded.unsaved = loaded.documents.size();
  return loaded;
}

Result<void> HybridEngine::load_store(const storage::VectorStoreRecord& record, std::int64_t newest_chunk_id) {
  const auto store = add_store(record);
  const auto dimensions = static_cast<std::size_t>(record.embedding_dimensions);
  std::optional<index::LexicalIndex> lexical;
  std::optional<index::VectorIndex> vectors;
  Result<LoadedDocuments> documents{LoadedDocuments()};
  parallel_for(compute_, 3, [&](std::size_t part) {
    if (part == 0) lexical = maintenance_.load_lexical(*store, newest_chunk_id);
    if (part == 1) vectors = maintenance_.load_vectors(*store, dimensions, config_.index.vectors, newest_chunk_id);
    if (part == 2) documents = load_documents(*store);
  });
  if (documents.has_error()) return documents.error();
  const auto missing =
      store->restore(std::move(documents->documents), std::move(lexical), std::move(vectors), documents->unsaved);
  Loader loader(*store, missing, dimensions, compute_);
  const auto add = [&loader](const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) {
    return loader.add(chunk, document);
  };
  for (const auto& range : to_read(missing)) {
    RAGTIME_TRY_DONE(database_.scan_chunks(record.id, range, add));
  }
  loader.flush();
  maintenance_.observe(*store);
  maintenance_.consider(store);
  return {};
}

}  // namespace ragtime::engine
