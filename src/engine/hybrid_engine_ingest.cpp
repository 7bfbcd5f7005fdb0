#include <algorithm>
#include <iterator>

#include "engine/chunk_text.h"
#include "engine/hybrid_engine.h"
#include "engine/normalise.h"

namespace ragtime::engine {
namespace {

text::ChunkingOptions options_for(const storage::DocumentRecord& document, text::ChunkingOptions options) {
  if (document.chunk_size <= 0) return options;
  options.size = document.chunk_size;
  options.overlap = document.chunk_overlap;
  return options;
}

DocumentInfo info_of(const storage::DocumentRecord& document) {
  DocumentInfo info;
  info.file_id = document.file_id;
  info.filename = document.filename;
  info.attributes = document.attributes;
  return info;
}

void add_to(std::vector<float>& sum, const std::vector<float>& vector) {
  sum.resize(vector.size());
  for (std::size_t i = 0; i < vector.size(); ++i) sum[i] += vector[i];
}

std::vector<IndexedChunk> indexed(std::vector<storage::ChunkRecord>& records, const std::vector<std::int64_t>& ids,
                                  std::vector<LexicalFields>& terms) {
  std::vector<IndexedChunk> chunks(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    chunks[i].id = ids[i];
    chunks[i].heading = std::move(terms[i].heading);
    chunks[i].body = std::move(terms[i].body);
    chunks[i].embedding = std::move(records[i].embedding);
  }
  return chunks;
}

}  // namespace

Task<Result<PutOutcome>> HybridEngine::put_document(PutDocument put, RequestContext& context,
                                                    std::function<void(std::size_t, std::size_t)> progress) {
  RAGTIME_CO_TRY(const auto store, co_await blocking_.run(context, [&] { return admit(put); }));
  RAGTIME_CO_TRY(auto chunks, co_await compute_.run(context, [&] { return prepare(put, context); }));
  if (embedder_ != nullptr) RAGTIME_CO_TRY_DONE(co_await embed(put.document.title, chunks, context, progress));
  PutOutcome outcome;
  outcome.chunks = chunks.records.size();
  outcome.tokens = chunks.tokens;
  outcome.embedded = embedder_ != nullptr;
  RAGTIME_CO_TRY_DONE(co_await blocking_.run(context, [&] { return commit(put, store, chunks); }));
  const bool silent = embedder_ != nullptr || !progress;
  if (!silent) progress(outcome.chunks, outcome.chunks);
  co_return outcome;
}

// Finds everything out that forbids the ingest before the expensive part, and completes the document's row.
Result<HybridEngine::StorePointer> HybridEngine::admit(PutDocument& put) {
  std::shared_lock changing(mutations_);
  RAGTIME_TRY(auto store, resolve_store(put.tenant, put.document.store_id));
  RAGTIME_TRY_DONE(check_model(*store));
  if (put.file) {
    put.file->tenant = put.tenant;
    put.document.file_id = put.file->id;
    put.document.filename = put.file->filename;
  } else {
    RAGTIME_TRY(const auto row, database_.get_document(put.document.store_id, put.document.file_id));
    put.document.filename = row.filename;
  }
  put.document.title = put.parsed.title;
  return store;
}

Result<void> HybridEngine::check_model(const StoreIndex& store) const {
  if (embedder_ == nullptr || store.vectors() == 0) return {};
  const std::string& model = embedder_->info().model;
  const std::string stored = store.embedding_model();
  if (stored == model) return {};
  return make_error(ErrorCode::conflict, "the vector store '" + store.id() + "' holds vectors of the model '" + stored +
                                             "', the configured model is '" + model +
                                             "'; configure the former, or ingest into a new store");
}

Result<HybridEngine::PreparedChunks> HybridEngine::prepare(const PutDocument& put, RequestContext& context) const {
  PreparedChunks prepared;
  auto chunks = text::chunk_document(put.parsed, options_for(put.document, config_.chunking));
  for (auto& chunk : chunks) {
    RAGTIME_TRY_DONE(context.check());
    prepared.terms.push_back(lexical_fields(put.document.title, put.document.filename, chunk));
    prepared.tokens += static_cast<std::size_t>(chunk.tokens);
    prepared.records.emplace_back().chunk = std::move(chunk);
  }
  return prepared;
}

Task<Result<void>> HybridEngine::embed(const std::string& title, PreparedChunks& chunks, RequestContext& context,
                                       const std::function<void(std::size_t, std::size_t)>& progress) {
  const std::size_t total = chunks.records.size();
  chunks.embeddings = cache_->new_use();
  for (std::size_t begin = 0; begin < total;) {
    const std::size_t end = std::min(begin + std::max<std::size_t>(1, config_.embed_batch), total);
    std::vector<std::string> texts;
    std::vector<std::size_t> owners;  // The chunk of each text.
    for (std::size_t i = begin; i < end; ++i) {
      auto parts = embedding_texts(title, chunks.records[i].chunk, embedder_->info().tokens_max);
      owners.insert(owners.end(), parts.size(), i);
      std::move(parts.begin(), parts.end(), std::back_inserter(texts));
    }
    RAGTIME_CO_TRY(const auto vectors, co_await document_vectors(std::move(texts), chunks.embeddings, context));
    for (std::size_t r = 0; r < owners.size(); ++r) {
      add_to(chunks.records[owners[r]].embedding, normalised(vectors[r]));
    }
    for (; begin < end; ++begin) chunks.records[begin].embedding = normalised(chunks.records[begin].embedding);
    if (progress) progress(end, total);
  }
  co_return Result<void>();
}

Task<Result<std::vector<std::vector<float>>>> HybridEngine::document_vectors(std::vector<std::string> texts,
                                                                             storage::EmbeddingUse& use,
                                                                             RequestContext& context) {
  std::vector<std::string> keys;
  for (const auto& text : texts) keys.push_back(cache_->key(text, encoder::EmbedPurpose::document));
  using Vectors = std::vector<std::vector<float>>;
  const auto look_up = [&]() -> Result<Vectors> { return cache_->find_documents(keys); };
  RAGTIME_CO_TRY(auto vectors, co_await blocking_.run(context, look_up));
  std::vector<std::string> missing;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!vectors[i].empty()) {
      use.found.push_back(std::move(keys[i]));
      continue;
    }
    missing.push_back(std::move(texts[i]));
    places.push_back(i);
  }
  if (missing.empty()) co_return vectors;
  RAGTIME_CO_TRY(const auto rows,
                 co_await embedder_->embed(std::move(missing), encoder::EmbedPurpose::document, context));
  for (std::size_t r = 0; r < places.size(); ++r) {
    auto& vector = vectors[places[r]];
    vector.assign(rows.row(r).begin(), rows.row(r).end());
    use.fresh.push_back({std::move(keys[places[r]]), vector});
  }
  co_return vectors;
}

Result<void> HybridEngine::claim_model(StoreIndex& store) {
  const auto& model = embedder_->info();
  if (store.has_vectors_of(model.model, model.dimensions)) return {};
  const auto dimensions = static_cast<std::int64_t>(model.dimensions);
  RAGTIME_TRY_DONE(database_.set_store_embedding(store.id(), model.model, dimensions));
  store.set_embedding(model.model, model.dimensions);
  return {};
}

Result<void> HybridEngine::commit(PutDocument& put, const StorePointer& store, PreparedChunks& chunks) {
  std::shared_lock changing(mutations_);
  const auto locks = lock_files(put.document.file_id, put.replaces_file_id);
  if (embedder_ != nullptr && !chunks.records.empty()) RAGTIME_TRY_DONE(claim_model(*store));
  storage::Database::CommitDocument commit;
  commit.document = put.document;
  commit.file = put.file;
  commit.replaces_file_id = put.replaces_file_id;
  commit.text = std::move(put.parsed.text);
  commit.chunks = std::move(chunks.records);
  commit.embeddings = std::move(chunks.embeddings);
  const CommitBarrier::Mark mark(commits_);
  RAGTIME_TRY(const auto ids, database_.commit_document(commit));
  // The row may have newer attributes than the ones this ingest began with.
  const auto row = database_.get_document(store->id(), put.document.file_id);
  const DocumentInfo info = info_of(row.has_value() ? *row : put.document);
  store->replace(info, indexed(commit.chunks, ids, chunks.terms), put.replaces_file_id);
  maintenance_.consider(store);
  return {};
}

}  // namespace ragtime::engine
