// IndexMaintenance: merges indexes and writes their snapshots, on a thread of its own, one store at a time.
//
// A snapshot of the documents is of a moment between changes, which holds them up for as long as taking a view.
// Recent chunks are saved when many are new, and before a stop, so that the next start need not analyse them again.
// Not on the compute pool, where a merge of minutes would take a searcher's place. Destruction lets the merge in
// progress end and begins no other. Thread safety: every member may be called from any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "async/thread_pool.h"
#include "engine/fair_shared_mutex.h"
#include "engine/store_index.h"
#include "engine/store_snapshot.h"
#include "storage/database.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::engine {

struct IndexMaintenanceConfig {
  std::filesystem::path directory;  // Of all snapshots; empty: none are written.
  std::size_t snapshot_chunks = 0;  // Stores with fewer chunks are rebuilt from their rows at start.
};

class IndexMaintenance {
 public:
  // `mutations` is held shared by whoever changes documents, from before the commit until it shows in the store.
  // `metrics` and `log` may be null. All outlive this.
  IndexMaintenance(IndexMaintenanceConfig config, storage::Database& database, FairSharedMutex& mutations,
                   telemetry::Metrics* metrics, telemetry::Logger* log);
  ~IndexMaintenance() { stopping_.request_stop(); }
  IndexMaintenance(const IndexMaintenance&) = delete;
  IndexMaintenance& operator=(const IndexMaintenance&) = delete;

  // Merges the store soon, if that is due.
  void consider(const std::shared_ptr<StoreIndex>& store);
  // Takes the store's present size into the metrics. At start; merge() does it later.
  void observe(const StoreIndex& store);
  // Deletes the store's snapshots soon, and writes none any more.
  void forget(const std::shared_ptr<StoreIndex>& store);

  // Nothing to be used when snapshots are off.
  std::optional<index::LexicalIndex> load_lexical(const StoreIndex& store, std::int64_t newest_chunk_id) const;
  std::optional<index::VectorIndex> load_vectors(const StoreIndex& store, std::size_t dimensions,
                                                 const index::VectorIndexOptions& options,
                                                 std::int64_t newest_chunk_id) const;
  std::optional<SavedRecent> load_recent(const StoreIndex& store, std::size_t dimensions,
                                         std::int64_t newest_chunk_id) const;
  std::optional<SavedDocuments> load_documents(const StoreIndex& store) const;
  // When the database has forgotten what changed since, or never had it.
  void discard_documents(const StoreIndex& store) const;
  // Deletes the snapshots of stores that are not among `store_ids`.
  void remove_orphans(const std::unordered_set<std::string>& store_ids) const;

  // Returns when all that was due has been done.
  void settle();

  // Before destruction: begins no merge any more, and saves what is worth it.
  void finish(const std::vector<std::shared_ptr<StoreIndex>>& stores);

 private:
  StoreSnapshot snapshot_of(const StoreIndex& store) const;
  void work_on(const std::shared_ptr<StoreIndex>& store);
  void merge(StoreIndex& store);
  Result<void> save(StoreIndex& store, const MergedBases& merged);
  Result<void> save_documents(StoreIndex& store);
  void save_at_stop(StoreIndex& store);
  Result<void> forget_changes(const StoreIndex& store);
  void done(const std::string& store_id);
  void set_size(const std::string& store_id, double vectors, double bytes);
  bool is_forgotten(const std::string& store_id);
  StoreSnapshot::Report report() const;
  void warn(std::string_view event, const std::filesystem::path& file, const Error& error) const;

  const IndexMaintenanceConfig config_;
  storage::Database& database_;
  FairSharedMutex& mutations_;
  telemetry::Logger* const log_;
  telemetry::Counter* merges_ = nullptr;
  telemetry::Counter* merge_seconds_ = nullptr;
  telemetry::Counter* snapshots_ = nullptr;
  telemetry::Counter* snapshot_failures_ = nullptr;
  telemetry::Gauge* vectors_ = nullptr;
  telemetry::Gauge* bytes_ = nullptr;
  std::stop_source stopping_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_set<std::string> queued_;                            // Stores waiting or in work; guarded by mutex_.
  std::unordered_set<std::string> forgotten_;                         // Guarded by mutex_.
  std::unordered_map<std::string, std::pair<double, double>> sizes_;  // Vectors and bytes observed; guarded by mutex_.
  async::ThreadPool thread_;                                          // Last: it uses the others.
};

}  // namespace ragtime::engine
