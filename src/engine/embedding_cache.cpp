#include "engine/embedding_cache.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace ragtime::engine {
namespace {

constexpr std::size_t kQueryOverheadBytes = 256;  // Nodes of list and map, and the key twice.

// No part can run into the next: each is preceded by its length.
void add_part(Sha256& hash, std::string_view part) {
  hash.update(std::to_string(part.size()) + ":");
  hash.update(part);
}

}  // namespace

EmbeddingCache::EmbeddingCache(EmbeddingCacheConfig config, const encoder::EmbedderInfo& info,
                               storage::Database& database, telemetry::Metrics* metrics)
    : config_(std::move(config)), model_(info.model), dimensions_(info.dimensions), database_(database) {
  if (metrics == nullptr) return;
  constexpr const char* kName = "ragtime_embedding_cache_requests_total";
  constexpr const char* kHelp = "Texts looked up in the embedding cache.";
  hits_ = &metrics->counter(kName, kHelp, {{"result", "hit"}});
  misses_ = &metrics->counter(kName, kHelp, {{"result", "miss"}});
}

std::string EmbeddingCache::key(std::string_view text, encoder::EmbedPurpose purpose) const {
  Sha256 hash;
  add_part(hash, model_);
  add_part(hash, config_.fingerprint);
  add_part(hash, purpose == encoder::EmbedPurpose::query ? "query" : "document");
  add_part(hash, text);
  return hash.finish_hex();
}

std::vector<std::vector<float>> EmbeddingCache::find_documents(const std::vector<std::string>& keys) {
  std::vector<std::vector<float>> none(keys.size());
  if (config_.rows_max == 0) return none;
  auto found = database_.find_embeddings(keys);
  auto& vectors = found.has_value() ? *found : none;
  std::size_t hits = 0;
  for (auto& vector : vectors) {
    if (vector.size() != dimensions_) vector.clear();
    hits += !vector.empty();
  }
  count(hits, keys.size() - hits);
  return std::move(vectors);
}

storage::EmbeddingUse EmbeddingCache::new_use() const {
  storage::EmbeddingUse use;
  use.rows_max = static_cast<std::int64_t>(config_.rows_max);
  use.bytes_max = static_cast<std::int64_t>(config_.bytes_max);
  return use;
}

std::vector<float> EmbeddingCache::find_query(const std::string& key) {
  std::vector<float> vector;
  {
    std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) {
      queries_.splice(queries_.begin(), queries_, found->second);
      vector = found->second->vector;
    }
  }
  count(!vector.empty(), vector.empty());
  return vector;
}

void EmbeddingCache::keep_query(const std::string& key, std::vector<float> vector) {
  std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;
  queries_.push_front({key, std::move(vector)});
  by_key_.emplace(key, queries_.begin());
  bytes_ += bytes_of(queries_.front());
  while (bytes_ > config_.query_bytes_max && !queries_.empty()) {
    bytes_ -= bytes_of(queries_.back());
    by_key_.erase(queries_.back().key);
    queries_.pop_back();
  }
}

std::size_t EmbeddingCache::bytes_of(const Query& query) const {
  return kQueryOverheadBytes + query.vector.size() * sizeof(float);
}

void EmbeddingCache::count(std::size_t hits, std::size_t misses) {
  if (hits_ == nullptr) return;
  hits_->add(static_cast<double>(hits));
  misses_->add(static_cast<double>(misses));
}

}  // namespace ragtime::engine
