// EmbeddingCache: vectors of texts that were embedded before: of documents in the database, of queries in memory.
//
// A key covers the model's name and fingerprint, the purpose and the exact text, so that another model under the same
// name never answers with the former one's vectors.
// Thread safety: every member may be called from any thread. find_documents() blocks on the database.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "encoder/embedder.h"
#include "engine/engine.h"
#include "storage/database.h"
#include "telemetry/metrics.h"

namespace ragtime::engine {

class EmbeddingCache {
 public:
  // `metrics` may be null; the references outlive the cache.
  EmbeddingCache(EmbeddingCacheConfig config, const encoder::EmbedderInfo& info, storage::Database& database,
                 telemetry::Metrics* metrics);

  std::string key(std::string_view text, encoder::EmbedPurpose purpose) const;

  // Empty vectors where there is none, also when the database fails: a cache may forget.
  std::vector<std::vector<float>> find_documents(const std::vector<std::string>& keys);
  // What to write back, with the limits filled in.
  storage::EmbeddingUse new_use() const;

  // Empty when there is none.
  std::vector<float> find_query(const std::string& key);
  void keep_query(const std::string& key, std::vector<float> vector);

 private:
  struct Query {
    std::string key;
    std::vector<float> vector;
  };

  std::size_t bytes_of(const Query& query) const;
  void count(std::size_t hits, std::size_t misses);

  const EmbeddingCacheConfig config_;
  const std::string model_;
  const std::size_t dimensions_;
  storage::Database& database_;
  telemetry::Counter* hits_ = nullptr;
  telemetry::Counter* misses_ = nullptr;

  std::mutex mutex_;
  std::list<Query> queries_;  // Last used first. Guarded by mutex_, as are the following.
  std::unordered_map<std::string, std::list<Query>::iterator> by_key_;
  std::size_t bytes_ = 0;
};

}  // namespace ragtime::engine
