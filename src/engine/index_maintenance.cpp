#include "engine/index_maintenance.h"

#include <chrono>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

namespace ragtime::engine {
namespace {

constexpr std::size_t kStoresWaitingMax = 100'000;

async::ThreadPoolConfig one_thread() {
  async::ThreadPoolConfig config;
  config.name = "maintenance";
  config.threads = 1;
  config.queue_max = kStoresWaitingMax;
  return config;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::optional<index::VectorKind> vector_kind(const StoreIndex& store) {
  const IndexReport report = store.view()->report();
  return report.vectors ? std::optional(report.vectors->kind) : std::nullopt;
}

}  // namespace

IndexMaintenance::IndexMaintenance(IndexMaintenanceConfig config, storage::Database& database,
                                   FairSharedMutex& mutations, telemetry::Metrics* metrics, telemetry::Logger* log)
    : config_(std::move(config)), database_(database), mutations_(mutations), log_(log), thread_(one_thread()) {
  if (metrics == nullptr) return;
  merges_ = &metrics->counter("ragtime_index_merges_total", "Merges of a store's indexes.");
  merge_seconds_ = &metrics->counter("ragtime_index_merge_seconds_total", "Time spent in merges.");
  snapshots_ = &metrics->counter("ragtime_index_snapshots_total", "Snapshots of indexes written.");
  vectors_ = &metrics->gauge("ragtime_index_vectors", "Vectors of all stores, each as of its last merge or the start.");
  bytes_ = &metrics->gauge("ragtime_index_bytes", "Memory of all stores' indexes, likewise.");
  snapshot_failures_ =
      &metrics->counter("ragtime_index_snapshot_failures_total", "Snapshots of indexes that could not be written.");
}

StoreSnapshot IndexMaintenance::snapshot_of(const StoreIndex& store) const {
  return StoreSnapshot(config_.directory / store.id(), store.id());
}

void IndexMaintenance::warn(std::string_view event, const std::filesystem::path& file, const Error& error) const {
  if (log_ != nullptr) log_->warning(event, {{"file", file.string()}, {"error", error.message}});
}

StoreSnapshot::Report IndexMaintenance::report() const {
  return [this](const auto& file, const Error& error) { warn("index_snapshot_discarded", file, error); };
}

void IndexMaintenance::consider(const std::shared_ptr<StoreIndex>& store) {
  if (!store->merge_due() || stopping_.stop_requested()) return;
  {
    const std::lock_guard lock(mutex_);
    if (forgotten_.contains(store->id()) || !queued_.insert(store->id()).second) return;
  }
  // A full queue leaves the merge to a later change.
  if (!thread_.post([this, store] { work_on(store); })) done(store->id());
}

void IndexMaintenance::work_on(const std::shared_ptr<StoreIndex>& store) {
  const auto is_wanted = [&] { return !stopping_.stop_requested() && !is_forgotten(store->id()) && store->merge_due(); };
  try {
    // Again for what changed meanwhile, and after a kind that was a first step, but never for an index that wants to be
    // merged without either.
    for (bool again = true; again && is_wanted();) {
      const auto former = vector_kind(*store);
      merge(*store);
      again = store->changed_since_merge() || vector_kind(*store) != former;
    }
  } catch (const std::exception& failure) {  // Out of memory: the index stays as it is.
    if (log_ != nullptr) log_->error("index_merge_failed", {{"store", store->id()}, {"error", failure.what()}});
  }
  done(store->id());
  if (store->changed_since_merge()) consider(store);
}

void IndexMaintenance::merge(StoreIndex& store) {
  const auto begin = std::chrono::steady_clock::now();
  const MergedBases merged = store.merge(stopping_.get_token());
  if (merges_ != nullptr && (merged.lexical || merged.vectors)) {
    merges_->add();
    merge_seconds_->add(seconds_since(begin));
  }
  observe(store);
  if (is_forgotten(store.id())) return;
  const bool is_saved = !config_.directory.empty() && store.chunks() >= config_.snapshot_chunks;
  const auto saved = is_saved ? save(store, merged) : forget_changes(store);
  if (saved.has_error()) warn("index_snapshot_not_written", config_.directory / store.id(), saved.error());
  if (is_saved && snapshots_ != nullptr) (saved.has_error() ? snapshot_failures_ : snapshots_)->add();
}

void IndexMaintenance::observe(const StoreIndex& store) {
  if (vectors_ == nullptr) return;
  const IndexReport report = store.view()->report();
  const std::size_t vector_bytes = report.vectors ? report.vectors->bytes : 0;
  set_size(store.id(), static_cast<double>(report.vectors ? report.vectors->vectors : 0),
           static_cast<double>(report.lexical.bytes + vector_bytes));
}

void IndexMaintenance::set_size(const std::string& store_id, double vectors, double bytes) {
  const std::lock_guard lock(mutex_);
  auto& size = sizes_[store_id];
  vectors_->add(vectors - size.first);
  bytes_->add(bytes - size.second);
  size = {vectors, bytes};
}

Result<void> IndexMaintenance::save(StoreIndex& store, const MergedBases& merged) {
  RAGTIME_TRY_DONE(snapshot_of(store).save(merged));
  RAGTIME_TRY_DONE(snapshot_of(store).save_recent(store.recent()));
  return save_documents(store);
}

Result<void> IndexMaintenance::save_documents(StoreIndex& store) {
  std::unique_lock alone(mutations_);
  RAGTIME_TRY(const auto change, database_.newest_document_change());
  const auto view = store.view();
  alone.unlock();
  RAGTIME_TRY_DONE(snapshot_of(store).save_documents(view->documents(), change));
  return database_.forget_document_changes(store.id(), change);
}

// Without a snapshot nobody will ask for them.
Result<void> IndexMaintenance::forget_changes(const StoreIndex& store) {
  RAGTIME_TRY(const auto change, database_.newest_document_change());
  return database_.forget_document_changes(store.id(), change);
}

void IndexMaintenance::done(const std::string& store_id) {
  const std::lock_guard lock(mutex_);
  queued_.erase(store_id);
  if (queued_.empty()) idle_.notify_all();
}

bool IndexMaintenance::is_forgotten(const std::string& store_id) {
  const std::lock_guard lock(mutex_);
  return forgotten_.contains(store_id);
}

void IndexMaintenance::forget(const std::shared_ptr<StoreIndex>& store) {
  const std::string task = "forget " + store->id();
  {
    const std::lock_guard lock(mutex_);
    if (!forgotten_.insert(store->id()).second) return;
    queued_.insert(task);
  }
  // After the merge that may be writing them now, on the same thread. What is missed here is an orphan at the next
  // start.
  const bool posted = thread_.post([this, store, task] {
    if (!config_.directory.empty()) snapshot_of(*store).remove();
    if (vectors_ != nullptr) set_size(store->id(), 0, 0);
    done(task);
  });
  if (!posted) done(task);
}

std::optional<index::LexicalIndex> IndexMaintenance::load_lexical(const StoreIndex& store,
                                                                  std::int64_t newest_chunk_id) const {
  if (config_.directory.empty()) return std::nullopt;
  return snapshot_of(store).load_lexical(store.lexical_options(), newest_chunk_id, report());
}

std::optional<index::VectorIndex> IndexMaintenance::load_vectors(const StoreIndex& store, std::size_t dimensions,
                                                                 const index::VectorIndexOptions& options,
                                                                 std::int64_t newest_chunk_id) const {
  const std::string model = store.embedding_model();
  if (config_.directory.empty() || model.empty()) return std::nullopt;
  return snapshot_of(store).load_vectors(model, dimensions, options, newest_chunk_id, report());
}

std::optional<SavedRecent> IndexMaintenance::load_recent(const StoreIndex& store, std::size_t dimensions,
                                                         std::int64_t newest_chunk_id) const {
  if (config_.directory.empty()) return std::nullopt;
  return snapshot_of(store).load_recent(store.embedding_model(), dimensions, store.lexical_options(), newest_chunk_id,
                                        report());
}

std::optional<SavedDocuments> IndexMaintenance::load_documents(const StoreIndex& store) const {
  if (config_.directory.empty()) return std::nullopt;
  return snapshot_of(store).load_documents(report());
}

void IndexMaintenance::discard_documents(const StoreIndex& store) const {
  const auto reason = make_error(ErrorCode::conflict, "the database does not know what changed since");
  snapshot_of(store).discard_documents(reason, report());
}

void IndexMaintenance::remove_orphans(const std::unordered_set<std::string>& store_ids) const {
  if (config_.directory.empty()) return;
  std::error_code code;
  std::filesystem::directory_iterator entries(config_.directory, code);
  for (; !code && entries != std::filesystem::directory_iterator(); entries.increment(code)) {
    std::error_code ignored;
    const std::filesystem::path path = entries->path();
    if (!store_ids.contains(path.filename().string())) std::filesystem::remove_all(path, ignored);
  }
}

void IndexMaintenance::finish(const std::vector<std::shared_ptr<StoreIndex>>& stores) {
  stopping_.request_stop();
  if (config_.directory.empty()) return;
  for (const auto& store : stores) {
    if (store->chunks() < config_.snapshot_chunks || is_forgotten(store->id())) continue;
    const std::string task = "finish " + store->id();
    {
      const std::lock_guard lock(mutex_);
      queued_.insert(task);
    }
    const bool posted = thread_.post([this, store, task] {
      save_at_stop(*store);
      done(task);
    });
    if (!posted) done(task);
  }
  settle();
}

// After the merge that may have been in progress, which saved what it made.
void IndexMaintenance::save_at_stop(StoreIndex& store) {
  if (!store.worth_saving()) return;
  try {
    const auto saved = save(store, {});
    if (saved.has_error()) warn("index_snapshot_not_written", config_.directory / store.id(), saved.error());
  } catch (const std::exception& failure) {  // Out of memory: the next start reads rows.
    if (log_ != nullptr) log_->error("index_save_failed", {{"store", store.id()}, {"error", failure.what()}});
  }
}

void IndexMaintenance::settle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queued_.empty(); });
}

}  // namespace ragtime::engine
