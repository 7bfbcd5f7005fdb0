#include "rag/ingest.h"

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/semaphore.h"
#include "async/task_group.h"
#include "async/wait.h"
#include "base/id.h"
#include "rag/ingest_queue.h"

namespace ragtime::rag {
namespace {

using storage::DocumentRecord;
using storage::DocumentStatus;

constexpr std::size_t kPathLocks = 256;
constexpr std::size_t kWaitersMax = 100'000;
constexpr std::chrono::hours kDocumentTimeMax{1};
constexpr std::chrono::seconds kCleanupTime{30};
constexpr std::chrono::seconds kRescanPause{1};
constexpr int kAttemptsMax = 6;
constexpr std::chrono::milliseconds kFirstPause{50};

std::string_view outcome_name(IngestOutcome outcome) {
  switch (outcome) {
    case IngestOutcome::added:
      return "added";
    case IngestOutcome::replaced:
      return "replaced";
    case IngestOutcome::unchanged:
      return "unchanged";
  }
  return "added";
}

// OpenAI's last_error.code for what the parser said.
std::string_view parse_error_code(ErrorCode code) {
  if (code == ErrorCode::unsupported) return "unsupported_file";
  const bool file_fault =
      code == ErrorCode::invalid_argument || code == ErrorCode::too_large || code == ErrorCode::deadline_exceeded;
  return file_fault ? "invalid_file" : "server_error";
}

// Worth another attempt, or none at all because the process ends; never a verdict on the document.
bool is_no_verdict(ErrorCode code) {
  return code == ErrorCode::resource_exhausted || code == ErrorCode::cancelled;
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// What was ingested, for metrics and log.
struct Finished {
  const RequestContext& context;
  std::string_view store_id;
  std::string_view file_id;
  IngestOutcome outcome = IngestOutcome::added;
  engine::PutOutcome put;
  double seconds = 0;
};

class IngestReports {
 public:
  IngestReports(telemetry::Logger& log, telemetry::Metrics& metrics)
      : log_(log),
        added_(counter(metrics, "added")),
        replaced_(counter(metrics, "replaced")),
        unchanged_(counter(metrics, "unchanged")),
        failed_(counter(metrics, "failed")),
        depth_(metrics.gauge("ragtime_ingest_queue_depth", "Documents waiting for ingest or in work.")),
        seconds_(metrics.histogram("ragtime_ingest_seconds", "Time from taking up a document to its commit.")) {}

  void set_depth(std::size_t documents) { depth_.set(static_cast<double>(documents)); }
  void unchanged() { unchanged_.add(); }

  void finished(const Finished& what) {
    (what.outcome == IngestOutcome::replaced ? replaced_ : added_).add();
    seconds_.observe(what.seconds);
    log_.info("document_ingested", {{"request_id", std::string_view(what.context.request_id())},
                                    {"tenant", std::string_view(what.context.tenant())},
                                    {"store_id", what.store_id},
                                    {"file_id", what.file_id},
                                    {"outcome", outcome_name(what.outcome)},
                                    {"chunks", static_cast<std::int64_t>(what.put.chunks)},
                                    {"tokens", static_cast<std::int64_t>(what.put.tokens)},
                                    {"embedded", what.put.embedded},
                                    {"seconds", what.seconds}});
  }

  void failed(const RequestContext& context, std::string_view store_id, std::string_view file_id, const Error& error) {
    failed_.add();
    log_.warning("document_failed", {{"request_id", std::string_view(context.request_id())},
                                     {"tenant", std::string_view(context.tenant())},
                                     {"store_id", store_id},
                                     {"file_id", file_id},
                                     {"error", name(error.code)},
                                     {"message", std::string_view(error.message)}});
  }

  void trouble(std::string_view event, std::string_view message) { log_.error(event, {{"message", message}}); }

 private:
  static telemetry::Counter& counter(telemetry::Metrics& metrics, std::string outcome) {
    return metrics.counter("ragtime_documents_ingested_total", "Documents by what became of them.",
                           {{"outcome", std::move(outcome)}});
  }

  telemetry::Logger& log_;
  telemetry::Counter& added_;
  telemetry::Counter& replaced_;
  telemetry::Counter& unchanged_;
  telemetry::Counter& failed_;
  telemetry::Gauge& depth_;
  telemetry::Histogram& seconds_;
};

struct Collaborators {
  storage::Database& database;
  storage::BlobStore& blobs;
  documents::Parser& parser;
  engine::Engine& engine;
  async::ThreadPool& blocking;
  const Clock& clock;
};

class QueueIngestor final : public Ingestor {
 public:
  QueueIngestor(IngestorConfig config, Collaborators with, telemetry::Logger& log, telemetry::Metrics& metrics)
      : config_(config),
        with_(with),
        reports_(log, metrics),
        places_(std::max<std::size_t>(config.concurrency, 1), kWaitersMax),
        queue_(config.queue_max),
        wake_(loop_, asio::steady_timer::time_point::max()) {
    for (std::size_t i = 0; i < kPathLocks; ++i) path_locks_.emplace_back(1, kWaitersMax);
  }

  ~QueueIngestor() override { stop(); }

  Result<void> start() override;
  void stop() override;
  Task<Result<IngestResult>> ingest(IngestFile file, RequestContext& context) override;
  bool is_current(const DocumentRecord& document) const override {
    return document.status == DocumentStatus::completed && (document.embedded || !with_.engine.embeds());
  }
  void enqueue(std::string tenant, std::string store_id, std::string file_id) override;
  Task<Result<storage::VectorStoreRecord>> ensure_store(std::string tenant, std::string name,
                                                        RequestContext& context) override;
  std::size_t pending() const override { return queue_.size() + direct_.load(); }

 private:
  // Ingest of a path.
  Result<std::optional<DocumentRecord>> find_former(const IngestFile& file);
  Task<Result<IngestResult>> ingest_locked(const IngestFile& file, RequestContext& context);
  Task<Result<IngestResult>> put_file(const IngestFile& file, const std::optional<DocumentRecord>& former,
                                      RequestContext& context);
  async::Semaphore& path_lock(const IngestFile& file);

  // Attached documents.
  Task<> supervise();
  Task<> work();
  Task<> process(IngestJob job);
  Task<Result<void>> process_with_retries(const IngestJob& job, RequestContext& context);
  Task<Result<void>> complete(const IngestJob& job, RequestContext& context);
  Task<Result<void>> put_attached(const IngestJob& job, DocumentRecord document, RequestContext& context);
  Task<Result<void>> fail(const IngestJob& job, std::string_view error_code, Error error);
  Result<void> queue_unfinished();
  Task<> rescan();
  void wake_workers();

  Task<Result<text::Document>> parse_blob(const std::string& sha256, const std::string& filename,
                                          RequestContext& context);
  void update_depth() { reports_.set_depth(pending()); }

  const IngestorConfig config_;
  const Collaborators with_;
  IngestReports reports_;
  async::Semaphore places_;  // Documents in work, of both ways in.
  std::deque<async::Semaphore> path_locks_;
  std::atomic<std::size_t> direct_{0};  // Calls of ingest() under way.
  std::mutex store_creation_;

  IngestQueue queue_;
  asio::io_context loop_{1};
  asio::steady_timer wake_;                                  // Used on the loop only; cancelled when jobs arrive.
  RequestContext running_{"ingest", "", Deadline::never()};  // Cancelled by stop().
  std::mutex lifecycle_;
  std::thread thread_;  // Guarded by lifecycle_.
};

// Counts a call of ingest() while it lives.
class DirectCall {
 public:
  DirectCall(std::atomic<std::size_t>& count, std::function<void()> changed)
      : count_(count), changed_(std::move(changed)) {
    ++count_;
    changed_();
  }
  ~DirectCall() {
    --count_;
    changed_();
  }
  DirectCall(const DirectCall&) = delete;
  DirectCall& operator=(const DirectCall&) = delete;

 private:
  std::atomic<std::size_t>& count_;
  std::function<void()> changed_;
};

// Ingest of a path. ---------------------------------------------------------------------------------------------------

Task<Result<IngestResult>> QueueIngestor::ingest(IngestFile file, RequestContext& context) {
  const DirectCall call(direct_, [this] { update_depth(); });
  auto result = co_await ingest_locked(file, context);
  if (result.has_error() && result.error().code != ErrorCode::cancelled) {
    reports_.failed(context, file.store_id, {}, result.error());
  }
  co_return result;
}

async::Semaphore& QueueIngestor::path_lock(const IngestFile& file) {
  return path_locks_[std::hash<std::string>{}(file.store_id + '\n' + file.path) % path_locks_.size()];
}

Task<Result<IngestResult>> QueueIngestor::ingest_locked(const IngestFile& file, RequestContext& context) {
  RAGTIME_CO_TRY(const auto lock, co_await path_lock(file).acquire(context));
  auto lookup = [&] { return find_former(file); };
  RAGTIME_CO_TRY(const auto former, co_await with_.blocking.run(context, std::move(lookup)));
  if (former && former->sha256 == file.blob.sha256 && is_current(*former)) {
    reports_.unchanged();
    IngestResult unchanged;
    unchanged.outcome = IngestOutcome::unchanged;
    unchanged.file_id = former->file_id;
    unchanged.chunks = static_cast<std::size_t>(former->chunk_count);
    co_return unchanged;
  }
  RAGTIME_CO_TRY(const auto place, co_await places_.acquire(context));
  co_return co_await put_file(file, former, context);
}

Result<std::optional<DocumentRecord>> QueueIngestor::find_former(const IngestFile& file) {
  RAGTIME_TRY_DONE(with_.database.get_store(file.tenant, file.store_id));
  auto former = with_.database.find_document_by_path(file.store_id, file.path);
  if (former.has_value()) return std::optional(std::move(*former));
  if (former.error().code == ErrorCode::not_found) return std::optional<DocumentRecord>();
  return former.error();
}

Task<Result<IngestResult>> QueueIngestor::put_file(const IngestFile& file, const std::optional<DocumentRecord>& former,
                                                   RequestContext& context) {
  const Stopwatch watch;
  engine::PutDocument put;
  RAGTIME_CO_TRY(put.parsed, co_await parse_blob(file.blob.sha256, file.filename, context));
  storage::FileRecord record;
  record.id = make_id("file-");
  record.tenant = file.tenant;
  record.filename = file.filename;
  record.purpose = "assistants";
  record.sha256 = file.blob.sha256;
  record.bytes = file.blob.bytes;
  record.created_at = with_.clock.unix_seconds();
  put.tenant = file.tenant;
  put.document.store_id = file.store_id;
  put.document.file_id = record.id;
  put.document.path = file.path;
  put.document.attributes = file.attributes;
  put.document.created_at = record.created_at;
  put.file = record;
  if (former) put.replaces_file_id = former->file_id;
  auto putting = with_.engine.put_document(std::move(put), context);
  RAGTIME_CO_TRY(const engine::PutOutcome outcome, co_await std::move(putting));

  IngestResult result;
  result.outcome = former ? IngestOutcome::replaced : IngestOutcome::added;
  result.file_id = record.id;
  result.chunks = outcome.chunks;
  result.tokens = outcome.tokens;
  if (former && former->sha256 != record.sha256) result.replaced_sha256 = former->sha256;
  reports_.finished({context, file.store_id, record.id, result.outcome, outcome, watch.seconds()});
  co_return result;
}

Task<Result<text::Document>> QueueIngestor::parse_blob(const std::string& sha256, const std::string& filename,
                                                       RequestContext& context) {
  const StageTimer timer(context, "parse");
  auto locate = [&] { return with_.blobs.path(sha256); };
  auto path = co_await with_.blocking.run(context, std::move(locate));
  if (path.has_error() && path.error().code == ErrorCode::not_found) {
    co_return make_error(ErrorCode::unavailable, "the file's content is not in the blob store any more; send it again");
  }
  if (path.has_error()) co_return path.error();
  auto parsing = with_.parser.parse(std::move(*path), filename, context);
  co_return co_await std::move(parsing);
}

Task<Result<storage::VectorStoreRecord>> QueueIngestor::ensure_store(std::string tenant, std::string name,
                                                                     RequestContext& context) {
  auto find_or_create = [&]() -> Result<storage::VectorStoreRecord> {
    const std::lock_guard lock(store_creation_);
    auto found = with_.database.find_store_by_name(tenant, name);
    if (found.has_value() || found.error().code != ErrorCode::not_found) return found;
    storage::VectorStoreRecord store;
    store.id = make_id("vs_");
    store.tenant = tenant;
    store.name = name;
    store.created_at = store.last_active_at = with_.clock.unix_seconds();
    RAGTIME_TRY_DONE(with_.database.insert_store(store));
    return store;
  };
  co_return co_await with_.blocking.run(context, std::move(find_or_create));
}

// Attached documents. -------------------------------------------------------------------------------------------------

Result<void> QueueIngestor::start() {
  const std::lock_guard lock(lifecycle_);
  if (thread_.joinable() || running_.cancelled()) return {};
  RAGTIME_TRY_DONE(queue_unfinished());
  update_depth();
  asio::co_spawn(loop_, supervise(), [this](std::exception_ptr failure) {
    if (failure) reports_.trouble("ingest_stopped", "the background workers ended with an exception");
  });
  thread_ = std::thread([this] { loop_.run(); });
  return {};
}

void QueueIngestor::stop() {
  const std::lock_guard lock(lifecycle_);
  running_.cancel();
  if (!thread_.joinable()) return;
  wake_workers();
  thread_.join();
}

void QueueIngestor::enqueue(std::string tenant, std::string store_id, std::string file_id) {
  queue_.push({std::move(tenant), std::move(store_id), std::move(file_id)});
  update_depth();
  wake_workers();
}

void QueueIngestor::wake_workers() {
  asio::post(loop_, [this] { wake_.cancel(); });
}

Task<> QueueIngestor::supervise() {
  async::TaskGroup workers(loop_.get_executor());
  for (std::size_t i = 0; i < std::max<std::size_t>(config_.concurrency, 1); ++i) workers.spawn(work());
  co_await workers.join();
}

Task<> QueueIngestor::work() {
  while (!running_.cancelled()) {
    auto job = queue_.pop();
    if (job) {
      co_await process(*job);
      queue_.finish(*job);
      update_depth();
    } else if (queue_.take_overflow()) {
      co_await rescan();
    } else {
      boost::system::error_code woken;
      co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
  }
}

Task<> QueueIngestor::rescan() {
  auto scan = [this] { return queue_unfinished(); };
  auto scanned = co_await with_.blocking.run(running_, std::move(scan));
  if (scanned.has_error() && !running_.cancelled()) {
    reports_.trouble("ingest_rescan_failed", scanned.error().message);
    queue_.set_overflow();
    static_cast<void>(co_await async::sleep_for(kRescanPause, running_));
  }
  update_depth();
  wake_workers();
}

Result<void> QueueIngestor::queue_unfinished() {
  RAGTIME_TRY(const auto documents, with_.database.unfinished_documents());
  if (documents.empty()) return {};
  RAGTIME_TRY(const auto stores, with_.database.all_stores());
  std::map<std::string_view, std::string_view> tenants;
  for (const auto& store : stores) tenants.emplace(store.id, store.tenant);
  for (const auto& document : documents) {
    const auto tenant = tenants.find(document.store_id);
    if (tenant == tenants.end()) continue;
    queue_.push({std::string(tenant->second), document.store_id, document.file_id});
  }
  return {};
}

Task<> QueueIngestor::process(IngestJob job) {
  RequestContext context(running_, Deadline::after(kDocumentTimeMax));
  context.set_tenant(job.tenant);
  Result<void> outcome;
  try {
    outcome = co_await process_with_retries(job, context);
  } catch (const std::exception& error) {
    outcome = make_error(ErrorCode::internal, error.what());
  }
  // Cancelled: the row stays in_progress for the next start.
  if (outcome.has_value() || running_.cancelled()) co_return;
  const auto failed = co_await fail(job, "server_error", outcome.error());
  if (failed.has_error()) reports_.trouble("document_not_marked_failed", failed.error().message);
}

Task<Result<void>> QueueIngestor::process_with_retries(const IngestJob& job, RequestContext& context) {
  auto pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    auto outcome = co_await complete(job, context);
    const bool again = outcome.has_error() && outcome.error().code == ErrorCode::resource_exhausted;
    if (!again || attempt == kAttemptsMax) co_return outcome;
    RAGTIME_CO_TRY_DONE(co_await async::sleep_for(pause, context));
    pause *= 2;
  }
}

// Errors: only those that are no verdict on the document, and those of writing the verdict.
Task<Result<void>> QueueIngestor::complete(const IngestJob& job, RequestContext& context) {
  RAGTIME_CO_TRY(const auto place, co_await places_.acquire(context));
  auto read = [&] { return with_.database.get_document(job.store_id, job.file_id); };
  auto document = co_await with_.blocking.run(context, std::move(read));
  const bool gone = document.has_error() && document.error().code == ErrorCode::not_found;
  if (gone || (document.has_value() && document->status != DocumentStatus::in_progress)) co_return Result<void>();
  if (document.has_error()) co_return document.error();
  co_return co_await put_attached(job, std::move(*document), context);
}

Task<Result<void>> QueueIngestor::put_attached(const IngestJob& job, DocumentRecord document, RequestContext& context) {
  const Stopwatch watch;
  auto parsed = co_await parse_blob(document.sha256, document.filename, context);
  if (parsed.has_error() && is_no_verdict(parsed.error().code)) co_return parsed.error();
  if (parsed.has_error()) {
    const std::string_view code = parse_error_code(parsed.error().code);
    co_return co_await fail(job, code, std::move(parsed).error());
  }
  engine::PutDocument put;
  put.tenant = job.tenant;
  put.document = std::move(document);
  put.parsed = std::move(*parsed);
  auto putting = with_.engine.put_document(std::move(put), context);
  auto outcome = co_await std::move(putting);
  if (outcome.has_value()) {
    reports_.finished({context, job.store_id, job.file_id, IngestOutcome::added, *outcome, watch.seconds()});
    co_return Result<void>();
  }
  if (outcome.error().code == ErrorCode::not_found) co_return Result<void>();  // Detached meanwhile.
  if (is_no_verdict(outcome.error().code)) co_return outcome.error();
  co_return co_await fail(job, "server_error", std::move(outcome).error());
}

// Has its own time, because the document's may be over.
Task<Result<void>> QueueIngestor::fail(const IngestJob& job, std::string_view error_code, Error error) {
  RequestContext context(running_.request_id(), job.tenant, Deadline::after(kCleanupTime));
  reports_.failed(context, job.store_id, job.file_id, error);
  auto write = [&] {
    return with_.database.fail_document(job.store_id, job.file_id, DocumentStatus::failed, error_code, error.message);
  };
  auto written = co_await with_.blocking.run(context, std::move(write));
  if (written.has_error() && written.error().code == ErrorCode::not_found) co_return Result<void>();
  co_return written;
}

}  // namespace

std::unique_ptr<Ingestor> Ingestor::create(IngestorConfig config, storage::Database& database,
                                           storage::BlobStore& blobs, documents::Parser& parser, engine::Engine& engine,
                                           async::ThreadPool& blocking, const Clock& clock, telemetry::Logger& log,
                                           telemetry::Metrics& metrics) {
  const Collaborators with{database, blobs, parser, engine, blocking, clock};
  return std::make_unique<QueueIngestor>(config, with, log, metrics);
}

}  // namespace ragtime::rag
