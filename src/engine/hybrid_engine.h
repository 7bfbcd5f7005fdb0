// HybridEngine: the Engine over SQL rows, with postings and vectors in memory.
//
// Locks, in the order in which they are taken; all are held by pool threads only, never across a co_await:
// 1. mutations_: shared by every change of a document from before its commit until it is in the index; exclusive for
//    deleting a store or changing its settings, and for a search that must see database and index agree.
// 2. one of file_locks_ per file that a change touches, so that changes of a file happen in one order everywhere,
//    while those of different files share the database's commits.
// 3. stores_mutex_, and each StoreIndex's own.
// user_words_mutex_ is held for a copy of its pointer only.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/chunk_text.h"
#include "engine/commit_barrier.h"
#include "engine/embedding_cache.h"
#include "engine/engine.h"
#include "engine/fair_shared_mutex.h"
#include "engine/hybrid_search.h"
#include "engine/index_maintenance.h"
#include "engine/rerank_stage.h"
#include "engine/store_index.h"

namespace ragtime::engine {

class HybridEngine final : public Engine {
 public:
  HybridEngine(EngineConfig config, storage::Database& database, async::ThreadPool& compute,
               async::ThreadPool& blocking, telemetry::Metrics* metrics, telemetry::Logger* log)
      : config_(std::move(config)),
        database_(database),
        compute_(compute),
        blocking_(blocking),
        metrics_(metrics),
        maintenance_(maintenance_config(config_.index), database, mutations_, metrics, log) {}

  ~HybridEngine() override;

  // Both before anything else is called, on any two threads: builds the indexes from the database, until `given_up`;
  // takes the models. Errors of load(): the database's, cancelled; of use(): see open().
  Result<void> load(const std::atomic<bool>& given_up);
  Result<void> use(const EngineModels& models);

  Task<Result<PutOutcome>> put_document(PutDocument put, RequestContext& context,
                                        std::function<void(std::size_t, std::size_t)> progress) override;
  Task<Result<void>> remove_document(std::string tenant, std::string store_id, std::string file_id,
                                     RequestContext& context) override;
  Task<Result<void>> remove_file(std::string tenant, std::string file_id, RequestContext& context) override;
  Task<Result<void>> remove_store(std::string tenant, std::string store_id, RequestContext& context) override;
  Task<Result<storage::VectorStoreRecord>> update_store(storage::VectorStoreRecord record,
                                                        RequestContext& context) override;
  Task<Result<void>> set_attributes(std::string tenant, std::string store_id, std::string file_id,
                                    Attributes attributes, RequestContext& context) override;
  Task<Result<SearchResults>> search(SearchRequest request, RequestContext& context) override;
  void set_user_words(std::shared_ptr<const text::UserWords> words) override;
  bool embeds() const override { return embedder_ != nullptr; }
  Statistics statistics() const override;
  IndexReport index_report(std::string_view store_id) const override;
  std::optional<std::int64_t> document_version(std::string_view store_id, std::string_view file_id) const override;
  Task<Result<void>> await_indexed(RequestContext& context) override;
  void settle() override { maintenance_.settle(); }

 private:
  using StorePointer = std::shared_ptr<StoreIndex>;
  using ViewPointer = std::shared_ptr<const StoreView>;

  struct PreparedChunks {
    std::vector<storage::ChunkRecord> records;
    std::vector<LexicalFields> terms;
    std::size_t tokens = 0;
    storage::EmbeddingUse embeddings;
  };

  static IndexMaintenanceConfig maintenance_config(const IndexConfig& config);

  // Start.
  struct Start {
    std::int64_t newest_chunk_id = 0;
    const std::atomic<bool>& given_up;
  };
  Result<void> load_store(const storage::VectorStoreRecord& record, const Start& start);
  Result<StartingDocuments> load_documents(const StoreIndex& store);
  Result<void> load_missing(StoreIndex& store, const MissingChunks& missing, const Start& start);

  // Stores. Blocking: pool threads only.
  StorePointer find_store(std::string_view id) const;
  StorePointer add_store(const storage::VectorStoreRecord& record);
  // The store's own, and the configured ones for the rest.
  index::LexicalOptions lexical_options(const storage::VectorStoreRecord& record) const;
  // not_found also for another tenant's. Call with mutations_ shared, unless the database is not needed.
  Result<StorePointer> resolve_store(const std::string& tenant, const std::string& id);
  std::vector<std::unique_lock<std::mutex>> lock_files(const std::string& first, const std::string& second = {});

  // Ingest.
  Result<StorePointer> admit(PutDocument& put);
  Result<void> check_model(const StoreIndex& store) const;
  Result<PreparedChunks> prepare(const PutDocument& put, RequestContext& context) const;
  Task<Result<void>> embed(const std::string& title, PreparedChunks& chunks, RequestContext& context,
                           const std::function<void(std::size_t, std::size_t)>& progress);
  // Vectors of document texts, from the cache where it has them.
  Task<Result<std::vector<std::vector<float>>>> document_vectors(std::vector<std::string> texts,
                                                                 storage::EmbeddingUse& use, RequestContext& context);
  Result<void> claim_model(StoreIndex& store);
  Result<void> commit(PutDocument& put, const StorePointer& store, PreparedChunks& chunks);

  // Search.
  Task<Result<SearchPlan>> plan(SearchRequest request, RequestContext& context);
  Result<std::vector<ViewPointer>> resolve_stores(const std::string& tenant, const std::vector<std::string>& ids);
  SearchPlan renewed(SearchPlan plan) const;
  void plan_queries(SearchPlan& plan) const;
  std::shared_ptr<const text::UserWords> user_words() const;
  Task<Result<ArmHits>> lexical_arm(const SearchPlan& plan, RequestContext& context);
  Task<Result<ArmHits>> dense_arm(SearchPlan& plan, SearchResults& results, RequestContext& context);
  Task<Result<void>> embed_queries(SearchPlan& plan, SearchResults& results, RequestContext& context);
  // `places` are the queries that the cache does not have.
  Task<Result<void>> embed_misses(SearchPlan& plan, const std::vector<std::size_t>& places, SearchResults& results,
                                  RequestContext& context);
  Result<std::vector<SearchHit>> finish(const SearchPlan& plan, const ArmHits& dense, const ArmHits& lexical,
                                        RequestContext& context);
  Result<std::vector<SearchHit>> search_again(const SearchPlan& former);
  Task<Result<void>> rerank(const SearchPlan& plan, SearchResults& results, RequestContext& context);
  // Duplicates, MMR, threshold and number of results.
  Task<Result<void>> select(const SearchPlan& plan, SearchResults& results, RequestContext& context);
  void diversify(const SearchPlan& plan, SearchResults& results, RequestContext& context);
  Task<Result<void>> widen(const SearchPlan& plan, SearchResults& results, RequestContext& context);

  const EngineConfig config_;
  storage::Database& database_;
  async::ThreadPool& compute_;
  async::ThreadPool& blocking_;
  telemetry::Metrics* const metrics_;
  // Of use().
  encoder::Embedder* embedder_ = nullptr;
  std::optional<RerankStage> rerank_;    // Always.
  std::optional<EmbeddingCache> cache_;  // With an embedder.

  FairSharedMutex mutations_;
  CommitBarrier commits_;
  std::array<std::mutex, 256> file_locks_;  // By hash of the file id.
  mutable std::shared_mutex stores_mutex_;
  std::unordered_map<std::string, StorePointer> stores_;  // Guarded by stores_mutex_.
  bool is_loaded_ = false;                                // What is in memory may be saved.
  mutable std::mutex user_words_mutex_;
  std::shared_ptr<const text::UserWords> user_words_;  // Guarded by user_words_mutex_.
  IndexMaintenance maintenance_;  // Last, so that no merge goes on beside the destruction of the others.
};

}  // namespace ragtime::engine
