// The steps of a hybrid search, without the waiting: both arms over all stores and queries, ranking, loading.
// Thread safety: the functions only read the plan; they may run at the same time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/store_index.h"
#include "index/hit.h"
#include "storage/database.h"

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
  std::size_t candidates = 0;
};

// Hits by query, then by store, in the plan's order.
using ArmHits = std::vector<std::vector<std::vector<index::Hit>>>;

ArmHits search_lexical(const SearchPlan& plan);
ArmHits search_dense(const SearchPlan& plan);

struct RankedChunk {
  index::ChunkId id = 0;
  std::size_t store = 0;  // Into SearchPlan::stores.
  float score = 0;
  float dense = 0;
  float lexical = 0;
};

// Fuses the arms query by query, keeps each chunk's best score, applies threshold and number of results; best first.
std::vector<RankedChunk> rank(const SearchPlan& plan, const ArmHits& dense, const ArmHits& lexical);

struct LoadedHits {
  std::vector<SearchHit> hits;
  bool complete = true;  // False when a chunk was gone: its document changed between the arms and now.
};

Result<LoadedHits> load(storage::Database& database, const SearchPlan& plan, const std::vector<RankedChunk>& ranked);

}  // namespace ragtime::engine
