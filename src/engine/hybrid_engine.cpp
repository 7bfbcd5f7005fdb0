#include "engine/hybrid_engine.h"

#include <functional>
#include <future>

namespace ragtime::engine {
namespace {

Error no_store(std::string_view id) {
  return make_error(ErrorCode::not_found, "no vector store '" + std::string(id) + "'", "vector_store_id");
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(EngineConfig config, storage::Database& database,
                                             encoder::Embedder* embedder, async::ThreadPool& compute,
                                             async::ThreadPool& blocking, telemetry::Metrics* metrics,
                                             telemetry::Logger* log) {
  const EngineModels models{embedder, config.embedding_cache.fingerprint, config.rerank.model};
  const auto open_models = [&]() -> Result<EngineModels> { return models; };
  return open(std::move(config), database, open_models, compute, blocking, metrics, log);
}

Result<std::unique_ptr<Engine>> Engine::open(EngineConfig config, storage::Database& database,
                                             const std::function<Result<EngineModels>()>& open_models,
                                             async::ThreadPool& compute, async::ThreadPool& blocking,
                                             telemetry::Metrics* metrics, telemetry::Logger* log) {
  config.index.vectors.files = config.index.directory;
  auto engine = std::make_unique<HybridEngine>(std::move(config), database, compute, blocking, metrics, log);
  std::atomic<bool> given_up = false;
  auto models = std::async(std::launch::async, [&]() -> Result<void> {
    const auto opened = open_models();
    const auto used = opened.has_value() ? engine->use(*opened) : Result<void>(opened.error());
    given_up = used.has_error();
    return used;
  });
  const auto loaded = engine->load(given_up);
  RAGTIME_TRY_DONE(models.get());
  RAGTIME_TRY_DONE(loaded);
  return std::unique_ptr<Engine>(std::move(engine));
}

HybridEngine::~HybridEngine() {
  if (!is_loaded_) return;
  std::vector<StorePointer> stores;
  for (const auto& [id, store] : stores_) stores.push_back(store);
  maintenance_.finish(stores);
}

Result<void> HybridEngine::use(const EngineModels& models) {
  RerankConfig rerank = config_.rerank;
  rerank.model = models.reranker;
  rerank_.emplace(rerank, models.embedder, compute_);
  RAGTIME_TRY_DONE(rerank_->check());
  embedder_ = models.embedder;
  if (embedder_ == nullptr) return {};
  EmbeddingCacheConfig cache = config_.embedding_cache;
  cache.fingerprint = models.fingerprint;
  cache_.emplace(std::move(cache), embedder_->info(), database_, metrics_);
  return {};
}

HybridEngine::StorePointer HybridEngine::find_store(std::string_view id) const {
  std::shared_lock lock(stores_mutex_);
  const auto found = stores_.find(std::string(id));
  return found == stores_.end() ? nullptr : found->second;
}

index::LexicalOptions HybridEngine::lexical_options(const storage::VectorStoreRecord& record) const {
  index::LexicalOptions options = config_.index.lexical;
  const storage::RankingSettings& ranking = record.ranking;
  if (ranking.k1) options.k1 = static_cast<float>(*ranking.k1);
  if (ranking.b) options.b = static_cast<float>(*ranking.b);
  if (ranking.heading_weight) options.heading_weight = static_cast<float>(*ranking.heading_weight);
  return options;
}

HybridEngine::StorePointer HybridEngine::add_store(const storage::VectorStoreRecord& record) {
  std::unique_lock lock(stores_mutex_);
  auto& store = stores_[record.id];
  if (store) return store;
  StoreIndexOptions options;
  options.lexical = lexical_options(record);
  options.vectors = config_.index.vectors;
  options.merge_changes = config_.index.merge_changes;
  options.save_changes = config_.index.save_changes;
  store = std::make_shared<StoreIndex>(record.id, record.tenant, options);
  if (!record.embedding_model.empty()) {
    store->set_embedding(record.embedding_model, static_cast<std::size_t>(record.embedding_dimensions));
  }
  return store;
}

Result<HybridEngine::StorePointer> HybridEngine::resolve_store(const std::string& tenant, const std::string& id) {
  if (auto store = find_store(id)) {
    if (store->tenant() != tenant) return no_store(id);
    return store;
  }
  RAGTIME_TRY(const auto record, database_.get_store(tenant, id));
  return add_store(record);
}

std::vector<std::unique_lock<std::mutex>> HybridEngine::lock_files(const std::string& first,
                                                                   const std::string& second) {
  std::size_t low = std::hash<std::string>()(first) % file_locks_.size();
  std::size_t high = second.empty() ? low : std::hash<std::string>()(second) % file_locks_.size();
  if (low > high) std::swap(low, high);
  std::vector<std::unique_lock<std::mutex>> locks;
  locks.emplace_back(file_locks_[low]);
  if (high != low) locks.emplace_back(file_locks_[high]);
  return locks;
}

Task<Result<void>> HybridEngine::remove_document(std::string tenant, std::string store_id, std::string file_id,
                                                 RequestContext& context) {
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    std::shared_lock changing(mutations_);
    RAGTIME_TRY(const auto store, resolve_store(tenant, store_id));
    const auto locks = lock_files(file_id);
    RAGTIME_TRY_DONE(database_.delete_document(store_id, file_id));
    store->remove(file_id);
    maintenance_.consider(store);
    return {};
  });
}

Task<Result<void>> HybridEngine::remove_file(std::string tenant, std::string file_id, RequestContext& context) {
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    std::shared_lock changing(mutations_);
    const auto locks = lock_files(file_id);
    RAGTIME_TRY(const auto store_ids, database_.delete_file(tenant, file_id));
    for (const auto& id : store_ids) {
      const auto store = find_store(id);
      if (!store) continue;
      store->remove(file_id);
      maintenance_.consider(store);
    }
    return {};
  });
}

Task<Result<void>> HybridEngine::remove_store(std::string tenant, std::string store_id, RequestContext& context) {
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    std::unique_lock alone(mutations_);
    RAGTIME_TRY_DONE(database_.delete_store(tenant, store_id));
    std::unique_lock lock(stores_mutex_);
    const auto removed = stores_.extract(store_id);
    lock.unlock();  // Freeing a large index takes a while.
    if (removed) maintenance_.forget(removed.mapped());
    return {};
  });
}

Task<Result<storage::VectorStoreRecord>> HybridEngine::update_store(storage::VectorStoreRecord record,
                                                                    RequestContext& context) {
  co_return co_await blocking_.run(context, [&]() -> Result<storage::VectorStoreRecord> {
    std::unique_lock alone(mutations_);  // So that index and database see changes of a store in one order.
    RAGTIME_TRY_DONE(database_.update_store(record));
    RAGTIME_TRY(auto updated, database_.get_store(record.tenant, record.id));
    if (const auto store = find_store(record.id)) store->set_lexical(lexical_options(updated));
    return updated;
  });
}

Task<Result<void>> HybridEngine::set_attributes(std::string tenant, std::string store_id, std::string file_id,
                                                Attributes attributes, RequestContext& context) {
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    std::shared_lock changing(mutations_);
    RAGTIME_TRY(const auto store, resolve_store(tenant, store_id));
    const auto locks = lock_files(file_id);
    RAGTIME_TRY_DONE(database_.set_document_attributes(store_id, file_id, attributes));
    store->set_attributes(file_id, attributes);
    return {};
  });
}

IndexMaintenanceConfig HybridEngine::maintenance_config(const IndexConfig& config) {
  IndexMaintenanceConfig result;
  result.directory = config.directory;
  result.snapshot_chunks = config.snapshot_chunks;
  return result;
}

IndexReport HybridEngine::index_report(std::string_view store_id) const {
  const auto store = find_store(store_id);
  return store ? store->view()->report() : IndexReport();
}

std::optional<std::int64_t> HybridEngine::document_version(std::string_view store_id, std::string_view file_id) const {
  const auto store = find_store(store_id);
  return store ? store->view()->first_chunk(file_id) : std::nullopt;
}

Task<Result<void>> HybridEngine::await_indexed(RequestContext& context) {
  const auto running = commits_.running();
  if (!running) co_return Result<void>();
  co_return co_await blocking_.run(context, [&]() -> Result<void> {
    commits_.wait(*running);
    return {};
  });
}

Engine::Statistics HybridEngine::statistics() const {
  std::shared_lock lock(stores_mutex_);
  Statistics statistics;
  statistics.stores = stores_.size();
  for (const auto& [id, store] : stores_) {
    statistics.chunks += store->chunks();
    statistics.vectors += store->vectors();
  }
  return statistics;
}

}  // namespace ragtime::engine
