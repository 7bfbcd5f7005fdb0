#include "engine/chunk_text.h"
#include "engine/hybrid_engine.h"
#include "engine/normalise.h"
#include "engine/parallel_for.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kLoadBatch = 512;  // Chunks whose terms are computed at a time.

Error damaged_vector(const storage::ChunkRecord& chunk) {
  return make_error(ErrorCode::corrupt, "chunk " + std::to_string(chunk.id) + " of '" + chunk.store_id +
                                            "' has a vector of another size than its store; ingest the document again");
}

// Reading rows is quick, analysing their text is not: it runs on all cores, a batch at a time.
class Loader {
 public:
  explicit Loader(async::ThreadPool& pool) : pool_(pool) {}

  void add(StoreIndex& store, const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) {
    rows_.push_back(Row{&store, chunk, document, {}});
    if (rows_.size() >= kLoadBatch) flush();
  }

  void flush() {
    parallel_for(pool_, rows_.size(), [this](std::size_t i) {
      Row& row = rows_[i];
      row.terms = lexical_terms(row.document.title, row.document.filename, row.chunk.chunk);
    });
    for (auto& row : rows_) apply(row);
    rows_.clear();
  }

 private:
  struct Row {
    StoreIndex* store;
    storage::ChunkRecord chunk;
    storage::DocumentRecord document;
    std::vector<std::string> terms;
  };

  static void apply(Row& row) {
    std::vector<IndexedChunk> chunks(1);
    chunks[0].id = row.chunk.id;
    chunks[0].terms = std::move(row.terms);
    chunks[0].embedding = normalised(row.chunk.embedding);
    DocumentInfo info;
    info.file_id = row.document.file_id;
    info.filename = row.document.filename;
    info.attributes = row.document.attributes;
    row.store->add(info, chunks);
  }

  async::ThreadPool& pool_;
  std::vector<Row> rows_;
};

}  // namespace

Result<void> HybridEngine::load() {
  RAGTIME_TRY(const auto records, database_.all_stores());
  Loader loader(compute_);
  for (const auto& record : records) {
    const auto store = add_store(record);
    const auto dimensions = static_cast<std::size_t>(record.embedding_dimensions);
    RAGTIME_TRY_DONE(database_.scan_chunks(
        record.id, storage::ChunkRange(), [&](const storage::ChunkRecord& chunk, const storage::DocumentRecord& document) -> Result<void> {
          const bool fits = chunk.embedding.empty() || chunk.embedding.size() == dimensions;
          if (!fits) return damaged_vector(chunk);
          loader.add(*store, chunk, document);
          return {};
        }));
  }
  loader.flush();
  return {};
}

}  // namespace ragtime::engine
