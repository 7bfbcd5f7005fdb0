// The steps of a hybrid search, without the waiting: both arms over all stores and queries, ranking, loading.
// Thread safety: the functions only read the plan; they may run at the same time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "async/thread_pool.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/store_index.h"
#include "index/hit.h"
#include "storage/database.h"
#include "text/query.h"

namespace ragtime::engine {

struct QueryPlan {
  std::string text;
  float dense_weight = 0;     // After the model's coverage of the query's script; 0: lexical only.
  std::vector<float> vector;  // Normalised; empty when the dense arm does not run.
};

struct SearchPlan {
  SearchRequest request;
  std::vector<std::shared_ptr<const StoreView>> stores;  // As they were when the search began.
  std::vector<bool> dense_stores;  // Whose vectors are of the embedder's model, in the order of `stores`.
  std::vector<QueryPlan> queries;
  std::shared_ptr<const text::UserWords> user_words;  // May be null.
  std::size_t candidates = 0;                         // Of each arm.
  std::size_t ranked = 0;                             // Of the fused ones, for the stages behind.
  Fusion fusion = Fusion::convex;
  float rrf_k = 0;
};

// Hits by query, then by store, in the plan's order.
using ArmHits = std::vector<std::vector<std::vector<index::Hit>>>;

// Queries and stores side by side on the pool.
ArmHits search_lexical(const SearchPlan& plan, async::ThreadPool& pool);
ArmHits search_dense(const SearchPlan& plan, async::ThreadPool& pool);

struct RankedChunk {
  index::ChunkId id = 0;
  std::size_t store = 0;  // Into SearchPlan::stores.
  std::size_t query = 0;  // Into SearchPlan::queries: the one that it has its score from.
  float score = 0;
  float dense = 0;
  float lexical = 0;
};

struct Ranking {
  std::vector<RankedChunk> best;  // At most SearchPlan::ranked, best first.
  std::size_t fused = 0;          // Of how many.
};

// Fuses the arms query by query and keeps each chunk's best score.
Ranking rank(const SearchPlan& plan, const ArmHits& dense, const ArmHits& lexical);

struct LoadedHits {
  std::vector<SearchHit> hits;
  bool complete = true;  // False when a chunk was gone: its document changed between the arms and now.
};

Result<LoadedHits> load(storage::Database& database, const SearchPlan& plan, const std::vector<RankedChunk>& ranked);

}  // namespace ragtime::engine
