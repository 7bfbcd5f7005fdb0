#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/chunk_text.h"
#include "engine/hybrid_engine.h"
#include "engine/normalise.h"
#include "engine/parallel_for.h"

namespace ragtime::engine {
namespace {

// Chunks that are read, analysed and added at a time, by one thread: few enough that all threads have work, and not so
// few that an index of many small parts comes of it.
constexpr std::int64_t kPieceLeast = 512;
constexpr std::int64_t kPieceMost = 4'096;
constexpr std::int64_t kGapReadMax = 64;  // Rows read in vain cost less than another query.

using Ranges = std::vector<storage::ChunkRange>;

Result<void> giving_up() {
  return make_error(ErrorCode::cancelled, "the start was given up");
}

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

std::int64_t size_of(const Ranges& ranges) {
  std::int64_t sum = 0;
  for (const auto& range : ranges) sum += range.last - range.first + 1;
  return sum;
}

// The same ids in shares of at most `most`.
std::vector<Ranges> pieces(const Ranges& ranges, std::int64_t most) {
  std::vector<Ranges> result;
  std::int64_t room = 0;
  for (storage::ChunkRange rest : ranges) {
    while (rest.first <= rest.last) {
      if (room == 0) {
        result.emplace_back();
        room = most;
      }
      const std::int64_t last = std::min(rest.last, rest.first + room - 1);
      result.back().push_back({rest.first, last});
      room -= last - rest.first + 1;
      rest.first = last + 1;
    }
  }
  return result;
}

// Chunks from their rows into a store. Belongs to one thread.
class Loader {
 public:
  Loader(StoreIndex& store, const MissingChunks& missing)
      : store_(store), missing_(missing), dimensions_(store.dimensions()) {}

  Result<void> load(storage::Database& database, const Ranges& ranges) {
    const auto add = [this](const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) {
      return this->add(chunk, document);
    };
    for (const auto& range : ranges) RAGTIME_TRY_DONE(database.scan_chunks(store_.id(), range, add));
    std::vector<index::VectorIndex::Addition> vectors;
    for (std::size_t i = 0; i < vector_ids_.size(); ++i) vectors.push_back({vector_ids_[i], embeddings_[i]});
    store_.fill(terms_, vectors);
    return {};
  }

 private:
  Result<void> add(const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) {
    if (contains(missing_.lexical, chunk.id)) {
      auto fields = lexical_fields(document.title, document.filename, chunk.chunk);
      terms_.push_back({chunk.id, std::move(fields.heading), std::move(fields.body)});
    }
    if (!chunk.embedding.empty() && contains(missing_.vectors, chunk.id)) {
      if (chunk.embedding.size() != dimensions_) return damaged_vector(chunk);
      embeddings_.push_back(normalised(chunk.embedding));
      vector_ids_.push_back(chunk.id);
    }
    return {};
  }

  StoreIndex& store_;
  const MissingChunks& missing_;
  const std::size_t dimensions_;
  std::vector<index::LexicalIndex::Addition> terms_;
  std::vector<std::vector<float>> embeddings_;
  std::vector<index::ChunkId> vector_ids_;  // Of embeddings_.
};

}  // namespace

Result<void> HybridEngine::load(const std::atomic<bool>& given_up) {
  RAGTIME_TRY(const auto records, database_.all_stores());
  RAGTIME_TRY(const auto newest, database_.newest_chunk_id());
  std::unordered_set<std::string> ids;
  for (const auto& record : records) {
    ids.insert(record.id);
    RAGTIME_TRY_DONE(load_store(record, {newest, given_up}));
  }
  maintenance_.remove_orphans(ids);
  is_loaded_ = true;
  return {};
}

// From the snapshot and what changed since, or else from all rows.
Result<StartingDocuments> HybridEngine::load_documents(const StoreIndex& store) {
  if (auto saved = maintenance_.load_documents(store)) {
    RAGTIME_TRY(auto changes, database_.document_changes(store.id(), saved->change));
    if (changes) {
      const std::size_t unsaved = changes->present.size() + changes->absent.size();
      return StartingDocuments(brought_up_to_date(std::move(*saved), std::move(*changes)), unsaved);
    }
    maintenance_.discard_documents(store);
  }
  RAGTIME_TRY(auto documents, database_.list_document_chunks(store.id()));
  const std::size_t unsaved = documents.size();
  return StartingDocuments(std::move(documents), unsaved);
}

Result<void> HybridEngine::load_store(const storage::VectorStoreRecord& record, const Start& start) {
  if (start.given_up) return giving_up();
  const auto store = add_store(record);
  const auto dimensions = static_cast<std::size_t>(record.embedding_dimensions);
  std::optional<index::LexicalIndex> lexical;
  std::optional<index::VectorIndex> vectors;
  SavedRecent recent;
  Result<StartingDocuments> documents{StartingDocuments()};
  parallel_for(compute_, 4, [&](std::size_t part) {
    if (part == 0) documents = load_documents(*store);
    if (part == 1) lexical = maintenance_.load_lexical(*store, start.newest_chunk_id);
    if (part == 2) vectors = maintenance_.load_vectors(*store, dimensions, config_.index.vectors, start.newest_chunk_id);
    if (part == 3) {
      if (auto saved = maintenance_.load_recent(*store, dimensions, start.newest_chunk_id)) recent = std::move(*saved);
    }
  });
  if (documents.has_error()) return documents.error();
  const auto missing = store->restore(std::move(*documents), std::move(lexical), std::move(vectors), recent);
  RAGTIME_TRY_DONE(load_missing(*store, missing, start));
  maintenance_.observe(*store);
  maintenance_.consider(store);
  return {};
}

// On all cores. Of several errors, one is returned.
Result<void> HybridEngine::load_missing(StoreIndex& store, const MissingChunks& missing, const Start& start) {
  const Ranges ranges = to_read(missing);
  const auto threads = static_cast<std::int64_t>(compute_.threads());
  const auto shares = pieces(ranges, std::clamp(size_of(ranges) / (2 * threads), kPieceLeast, kPieceMost));
  std::atomic<bool> failed = false;
  std::mutex mutex;
  Result<void> result;
  parallel_for(compute_, shares.size(), [&](std::size_t share) {
    if (failed) return;
    const auto loaded = start.given_up ? giving_up() : Loader(store, missing).load(database_, shares[share]);
    if (!loaded.has_error()) return;
    failed = true;
    const std::lock_guard lock(mutex);
    result = loaded.error();
  });
  return result;
}

}  // namespace ragtime::engine
