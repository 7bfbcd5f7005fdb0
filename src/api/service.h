// The public HTTP surface: OpenAI's API over the modules below, with our additions. The module's one public header.
//
// router() turns the table of routes (path, scope, schemas, handler) into a router, and the same table into the
// OpenAPI document. Thread safety: handlers run on any event loop; everything here is constant after construction.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/thread_pool.h"
#include "base/clock.h"
#include "encoder/embedder.h"
#include "encoder/reranker.h"
#include "engine/engine.h"
#include "http/router.h"
#include "http/server.h"
#include "llm/gateway.h"
#include "rag/answer.h"
#include "rag/ingest.h"
#include "storage/blob_store.h"
#include "storage/database.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::api {

// Of answers that are streamed; see stream_buffer.h.
struct StreamConfig {
  bool enabled = true;              // False: a stream is held back until its end.
  std::size_t chunk_bytes = 1024;   // Of text in one event, at most; at least one code point.
  std::size_t buffer_bytes = 8192;  // Waiting for a client that reads slowly.
};

// 0: no limit.
struct LimitSet {
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  std::int64_t streams = 0;  // At a time.
  std::int64_t concurrent_requests = 0;
};

// See limits.h.
struct LimitsConfig {
  LimitSet per_key{};  // Where a key has no limits of its own.
  LimitSet per_tenant{};
  LimitSet total{.concurrent_requests = 50};
  std::size_t waiting_max = 100;             // Requests that wait for one of the server's places.
  std::chrono::milliseconds wait_max{1000};  // How long each does.
};

struct ServiceConfig {
  std::size_t json_body_bytes_max = 8u << 20;
  std::size_t file_bytes_max = 512u << 20;
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds answer_timeout{600'000};
  std::chrono::milliseconds database_timeout{10'000};  // For a look-up to begin.
  std::chrono::milliseconds upload_timeout{600'000};
  std::chrono::milliseconds websocket_timeout{std::chrono::hours(24)};  // Of a connection, which is closed with 1001.
  // Names accepted in Host and Origin while no key exists (local mode), beside localhost and loopback addresses.
  std::vector<std::string> allowed_hosts;
  // A secret that the command line on the same machine presents instead of a key; see server/data_directory.h.
  std::string local_token;
  StreamConfig stream{};
  LimitsConfig limits{};
  std::string default_store = "default";
  std::string version;
};

// Everything the handlers use. References outlive the service.
struct ServiceDependencies {
  storage::Database& database;
  storage::BlobStore& blobs;
  engine::Engine& engine;
  encoder::Embedder* embedder;  // The engine's; null: lexical only.
  rag::Answerer& answerer;
  rag::Ingestor& ingestor;
  async::ThreadPool& blocking;
  const Clock& clock;
  telemetry::Logger& log;
  telemetry::Metrics& metrics;
  std::function<bool()> ready;                  // For /readyz; false while starting or draining.
  std::function<std::string()> status;          // For /v1/status: the doctor's report as JSON text.
  std::vector<encoder::Embedder*> embedders{};  // Further ones for /v1/embeddings, by name.
  std::vector<encoder::Reranker*> rerankers{};  // For /v1/rerank; the first is the default.
  llm::Gateway* gateway = nullptr;              // To the configured chat models; null: there is none.
};

class Service {
 public:
  Service(ServiceConfig config, ServiceDependencies dependencies);
  ~Service();

  http::Router router();
  http::ServerHooks hooks();
  // The OpenAPI 3.1 document as JSON text.
  std::string openapi() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ragtime::api
