// Ingestor: files to searchable documents: original → blob store → parser → engine, bounded and restartable.
//
// Two ways in: a path with its bytes (`ragtime ingest`; done when the task completes), and an attached file of the API
// (queued; survives a restart because the row is in_progress until the commit).
// Thread safety: every member may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"
#include "documents/parser.h"
#include "engine/engine.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::rag {

struct IngestorConfig {
  std::size_t concurrency = 2;      // Documents in work at once.
  std::size_t queue_max = 100'000;  // Attached files waiting in memory; more wait as rows.
};

// What `ragtime ingest` did with one file.
enum class IngestOutcome { added, replaced, unchanged };

struct IngestResult {
  IngestOutcome outcome = IngestOutcome::added;
  std::string file_id;
  std::size_t chunks = 0;
  std::size_t tokens = 0;       // Of an unchanged document: unknown, zero.
  std::string replaced_sha256;  // The former content, which the caller removes when nothing else uses it.
};

struct IngestFile {
  std::string tenant;
  std::string store_id;
  std::string path;        // Identity within the store: the absolute path on the caller's machine.
  std::string filename;    // Shown in citations.
  storage::BlobInfo blob;  // The content, already in the blob store.
  Attributes attributes;
};

class Ingestor {
 public:
  // Arguments outlive the ingestor.
  static std::unique_ptr<Ingestor> create(IngestorConfig config, storage::Database& database, storage::BlobStore& blobs,
                                          documents::Parser& parser, engine::Engine& engine,
                                          async::ThreadPool& blocking, const Clock& clock, telemetry::Logger& log,
                                          telemetry::Metrics& metrics);
  virtual ~Ingestor() = default;

  // Starts the background workers and queues what a former process left in_progress.
  virtual Result<void> start() = 0;
  // Stops taking work, cancels what runs (the rows stay in_progress) and joins. Idempotent.
  virtual void stop() = 0;

  // Same path, same content and is_current(): unchanged, at the price of one lookup. Same path otherwise: replaced, in
  // one commit. Errors: those of the parser (the file's fault), of the engine (ours); nothing has changed then.
  virtual Task<Result<IngestResult>> ingest(IngestFile file, RequestContext& context) = 0;

  // Whether ingesting the same content again would be `unchanged`: it is completed, and has vectors if a model is
  // loaded. So documents that were taken without a model get their vectors when they are ingested with one.
  virtual bool is_current(const storage::DocumentRecord& document) const = 0;

  // Takes attached documents (rows in_progress) to completed or failed, in the background.
  virtual void enqueue(std::string tenant, std::string store_id, std::string file_id) = 0;

  // The store of that name, created when missing.
  virtual Task<Result<storage::VectorStoreRecord>> ensure_store(std::string tenant, std::string name,
                                                                RequestContext& context) = 0;
  // Documents waiting or in work.
  virtual std::size_t pending() const = 0;
};

}  // namespace ragtime::rag
