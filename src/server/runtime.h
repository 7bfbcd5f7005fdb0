// Runtime: the composition root below HTTP: everything that ingests, searches and answers on one data directory.
//
// Members are declared in the order in which they start; destruction runs in reverse. The command line uses a Runtime
// by itself when no server runs; Application puts HTTP on top.
// Thread safety: open and destroy from one thread; the parts are as safe as their headers say.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/thread_pool.h"
#include "base/clock.h"
#include "documents/parser.h"
#include "encoder/embedder.h"
#include "encoder/encoder_config.h"
#include "encoder/reranker.h"
#include "engine/engine.h"
#include "http/client.h"
#include "llm/gateway.h"
#include "rag/answer.h"
#include "rag/ingest.h"
#include "server/configuration.h"
#include "server/data_directory.h"
#include "server/model_pools.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::server {

// The tenant of the local mode and of the command line.
inline constexpr std::string_view kLocalTenant = "default";
inline constexpr std::string_view kDefaultStore = "default";

class Runtime {
 public:
  // Takes the data directory and opens everything in it. The error's message is one line for the operator.
  // `log` outlives the runtime.
  static Result<std::unique_ptr<Runtime>> open(Configuration configuration, telemetry::Logger& log);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Reads the file of retrieval.user_words again, for later searches. One that cannot be used is logged, and the former
  // words stay. May be called from any thread.
  void reload_user_words();
  // Takes the endpoints of known models from the configuration file, and looks for others where discovery is set up. A
  // file that cannot be used is logged, and nothing changes. From one thread at a time.
  void reload_endpoints(const std::string& file);

  const Configuration configuration;
  telemetry::Logger& log;
  DataDirectory data_directory;
  std::string encoder_fingerprint;  // Of the files or the address behind `embedder`.
  telemetry::Metrics metrics;
  SystemClock clock;
  std::string encoder_notice;  // Why search is lexical only although a model would be good; or empty.
  std::unique_ptr<async::ThreadPool> compute;
  std::unique_ptr<async::ThreadPool> blocking;
  std::unique_ptr<async::ThreadPool> parsing;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<storage::BlobStore> blobs;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<ModelPools> pools;                          // Of all remote models.
  std::unique_ptr<llm::Gateway> gateway;                      // To the chat models.
  std::unique_ptr<encoder::Embedder> embedder;                // Null: lexical only.
  std::vector<std::unique_ptr<encoder::Embedder>> embedders;  // Further ones, for clients that name them.
  std::vector<std::unique_ptr<encoder::Reranker>> rerankers;  // The first is the default.
  std::unique_ptr<documents::Parser> parser;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<rag::Answerer> answerer;
  std::unique_ptr<rag::Ingestor> ingestor;

 private:
  Runtime(Configuration configuration, telemetry::Logger& log, DataDirectory data_directory);
  Result<void> open_storage();
  Result<void> open_encoder();
  encoder::EncoderConfig encoder_config();
  Result<void> open_local_encoder();
  Result<void> open_rerankers();
  Result<engine::EngineModels> open_models();
  Result<void> open_engine();
  // How many there are.
  Result<std::size_t> load_user_words();
};

}  // namespace ragtime::server
