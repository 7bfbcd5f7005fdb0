// Engine: vector stores. Ingests parsed documents and answers hybrid searches. The module's one public header.
//
// 1. Truth is in the database; the indexes in memory are derived from it and rebuilt at start.
// 2. A mutation is durable and visible to every later search when its task completes with success; a search never sees
//    half a document.
// 3. Lookups name the tenant; another tenant's store is not_found.
// 4. What has chunks (documents, files, stores) is removed through the engine, never through the database alone.
// Thread safety: every member may be called from any thread. The engine outlives all tasks it returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "encoder/embedder.h"
#include "encoder/reranker.h"
#include "engine/index_report.h"
#include "index/filter.h"
#include "storage/database.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "text/chunker.h"
#include "text/document.h"
#include "text/query.h"

namespace ragtime::engine {

// Vectors that are kept, so that the same text is embedded once.
struct EmbeddingCacheConfig {
  // Changes whenever the model's files do, so that vectors of another model under the same name are never used.
  std::string fingerprint{};
  std::size_t rows_max = 500'000;          // Document texts in the database; 0: none are kept.
  std::size_t bytes_max = 1u << 30;        // Of their vectors.
  std::size_t query_bytes_max = 8u << 20;  // Of query vectors in memory; 0: none are kept.
};

// How one score comes of the arms' two; see fusion.h.
enum class Fusion { convex, rrf };

// What judges the best hits of fusion once more; see rerank_stage.h.
enum class RerankMethod { none, lexical_overlap, late_interaction, cross_encoder };

struct RerankConfig {
  RerankMethod method = RerankMethod::none;
  encoder::Reranker* model = nullptr;     // For cross_encoder; outlives the engine.
  std::size_t candidates = 30;            // How many of the best are judged.
  std::chrono::milliseconds budget{300};  // What is not judged by then keeps its place behind what is.
  float weight = 0.5f;                    // Of the second score in the final one, 0..1.
};

enum class Duplicates { keep, suppress };  // See diversity.h.

struct IndexConfig {
  std::filesystem::path directory{};  // Of snapshots, one folder a store; empty: none are written or read.
  index::LexicalOptions lexical{};
  index::VectorIndexOptions vectors{};
  std::size_t snapshot_chunks = 4'096;  // Smaller stores are rebuilt from their rows at start, which takes no second.
  std::size_t merge_changes = 0;        // For tests: merge after so many changed chunks; 0: when it pays.
  std::size_t save_changes = 0;         // For tests: save recent chunks after so many more; 0: when it pays.
};

struct EngineConfig {
  text::ChunkingOptions chunking;
  Fusion fusion = Fusion::convex;
  float dense_weight = 0.7f;                     // Of the dense arm, for queries the model's vocabulary covers.
  float rrf_k = 60;                              // Of reciprocal rank fusion.
  std::size_t candidates = 100;                  // Per arm, before fusion.
  std::chrono::milliseconds embed_budget{5000};  // For queries; the search is lexical when it ends.
  RerankConfig rerank{};
  Duplicates duplicates = Duplicates::keep;
  float mmr_lambda = 1;          // Weight of relevance against novelty, 0..1; 1: ranking by relevance alone.
  std::size_t neighbors = 0;     // Chunks before and after a hit that `widen` adds to it.
  std::size_t embed_batch = 32;  // Chunks per call of the embedder during ingest.
  std::size_t query_bytes_max = 32u << 10;
  EmbeddingCacheConfig embedding_cache{};
  IndexConfig index{};
};

// The models of an engine; they outlive it.
struct EngineModels {
  encoder::Embedder* embedder = nullptr;  // Null: lexical only.
  std::string fingerprint{};              // Of the embedder, see EmbeddingCacheConfig.
  encoder::Reranker* reranker = nullptr;  // See RerankConfig.
};

// A document to index. Either a file that is already attached (in_progress), or a path ingest that brings the file.
struct PutDocument {
  std::string tenant;
  storage::DocumentRecord document;         // store_id, file_id, attributes, path, chunk size …
  std::optional<storage::FileRecord> file;  // Path ingest: inserted in the same commit.
  std::string replaces_file_id;             // Path ingest: the former version, gone in the same commit.
  text::Document parsed;
};

struct PutOutcome {
  std::size_t chunks = 0;
  std::size_t tokens = 0;  // Estimated.
  bool embedded = false;   // False without a model: lexical only.
};

// Which arms search. One alone finds nothing that only the other finds; its weight is all there is.
enum class Arms { both, dense, lexical };

struct SearchRequest {
  std::vector<std::string> store_ids;
  std::vector<std::string> queries;  // Each searched on its own; a chunk keeps its best score.
  std::size_t results = 10;          // 1..1000; what clients may ask for is the API's to limit.
  std::optional<index::Filter> filter;
  std::optional<float> score_threshold;  // 0..1, on the fused score.
  std::optional<float> dense_weight;     // Overrides the configuration (hybrid_search weights of the API).
  Arms arms = Arms::both;                // For measuring; overrides dense_weight.
  bool rerank = true;                    // False leaves out the configured second stage.
  // For contexts of answers: each hit's chunk grows by its configured number of neighbours in the document that are not
  // in the results themselves. Ranking and chunk_id stay.
  bool widen = false;
};

struct SearchHit {
  std::int64_t chunk_id = 0;
  std::string store_id;
  std::string file_id;
  std::string filename;
  Attributes attributes;
  text::Chunk chunk;
  std::size_t query = 0;              // Into SearchRequest::queries: the one that it ranked best for.
  float score = 0;                    // Fused and, after a second stage, combined with its score; 0..1.
  float dense_score = 0;              // Cosine; 0 when the arm did not run.
  float lexical_score = 0;            // BM25; 0 when no term matched.
  std::optional<float> rerank_score;  // Of the second stage, on its own scale; nothing when it did not judge the hit.
};

struct SearchResults {
  std::vector<SearchHit> hits;  // Best first; with MMR in the order in which it picked them.
  bool dense_used = false;
  bool dense_failed = false;       // The embedder failed and the answer is lexical only: to be reported as degraded.
  bool rerank_incomplete = false;  // The second stage failed or ran out of time: to be reported as degraded.
};

class Engine {
 public:
  // Loads every store's index from its snapshots and the database. Arguments outlive the engine; `embedder` may be null
  // (lexical only), and so may `metrics` and `log`. Destruction waits for a merge in progress.
  // Errors beside the database's: unsupported when the configured second stage needs a model that is not there.
  static Result<std::unique_ptr<Engine>> open(EngineConfig config, storage::Database& database,
                                              encoder::Embedder* embedder, async::ThreadPool& compute,
                                              async::ThreadPool& blocking, telemetry::Metrics* metrics = nullptr,
                                              telemetry::Logger* log = nullptr);
  // The same, with models that `open_models` opens, on another thread, while the indexes are loaded; they take the place
  // of those that the configuration names. Its error ends the loading early and is returned.
  static Result<std::unique_ptr<Engine>> open(EngineConfig config, storage::Database& database,
                                              const std::function<Result<EngineModels>()>& open_models,
                                              async::ThreadPool& compute, async::ThreadPool& blocking,
                                              telemetry::Metrics* metrics = nullptr, telemetry::Logger* log = nullptr);
  virtual ~Engine() = default;

  // Chunks, embeds, commits and indexes. Errors: conflict when the store's vectors are of another model,
  // not_found when the document was deleted meanwhile; on any error nothing has changed.
  // `progress` (may be empty) is called with chunks done and chunks in all.
  virtual Task<Result<PutOutcome>> put_document(PutDocument put, RequestContext& context,
                                                std::function<void(std::size_t, std::size_t)> progress = {}) = 0;
  // Detaches a document from its store.
  virtual Task<Result<void>> remove_document(std::string tenant, std::string store_id, std::string file_id,
                                             RequestContext& context) = 0;
  // Deletes a file everywhere.
  virtual Task<Result<void>> remove_file(std::string tenant, std::string file_id, RequestContext& context) = 0;
  virtual Task<Result<void>> remove_store(std::string tenant, std::string store_id, RequestContext& context) = 0;
  // Writes what clients may change of a store; a new ranking acts on searches that begin later, and indexes nothing
  // anew. Returns the store as it is then.
  virtual Task<Result<storage::VectorStoreRecord>> update_store(storage::VectorStoreRecord record,
                                                                RequestContext& context) = 0;
  virtual Task<Result<void>> set_attributes(std::string tenant, std::string store_id, std::string file_id,
                                            Attributes attributes, RequestContext& context) = 0;

  // Stages in the context's timings: embed, dense, lexical, fuse, load, and as configured rerank, select, widen; with
  // the numbers of candidates of dense, lexical, fuse, load, rerank, of hidden duplicates, and of added neighbours.
  // Errors: not_found (a store), invalid_argument, too_large (a query).
  virtual Task<Result<SearchResults>> search(SearchRequest request, RequestContext& context) = 0;

  // Of searches that begin later, in all stores; nothing is indexed anew. Null: none.
  virtual void set_user_words(std::shared_ptr<const text::UserWords> words) = 0;

  // Whether documents get vectors: a model is loaded.
  virtual bool embeds() const = 0;

  struct Statistics {
    std::size_t stores = 0;
    std::size_t chunks = 0;
    std::size_t vectors = 0;
  };
  virtual Statistics statistics() const = 0;

  // Of a store's indexes; empty when it is not in memory, as before its first document. Callers have checked the
  // tenant.
  virtual IndexReport index_report(std::string_view store_id) const = 0;
  // The id of the document's first chunk, which is greater in every later version of it, as ids are never used again;
  // nothing when it is not in the store. Callers have checked the tenant.
  virtual std::optional<std::int64_t> document_version(std::string_view store_id, std::string_view file_id) const = 0;
  // Returns once searches find every document that the caller could see as committed in the database: at once unless
  // documents are being committed. Errors: those of the context, resource_exhausted (the pool).
  virtual Task<Result<void>> await_indexed(RequestContext& context) = 0;
  // Blocks until the merges that are due have ended and their snapshots are written.
  virtual void settle() = 0;
};

}  // namespace ragtime::engine
