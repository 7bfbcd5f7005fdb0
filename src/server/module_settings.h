// The one place where Configuration becomes the configuration structs of the modules.
//
// Thread safety: pure functions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/service.h"
#include "async/thread_pool.h"
#include "documents/parser.h"
#include "engine/engine.h"
#include "http/client.h"
#include "http/server.h"
#include "llm/gateway.h"
#include "llm/pool_monitor.h"
#include "llm/remote_embedder.h"
#include "llm/remote_reranker.h"
#include "rag/answer.h"
#include "rag/ingest.h"
#include "server/configuration.h"
#include "telemetry/log.h"

namespace ragtime::server {

telemetry::LogConfig log_config(const Configuration& configuration);
async::ThreadPoolConfig compute_pool_config(const Configuration& configuration);
async::ThreadPoolConfig blocking_pool_config(const Configuration& configuration);
async::ThreadPoolConfig parsing_pool_config(const Configuration& configuration);
documents::ParserConfig parser_config(const Configuration& configuration);
// Without the rerank model and the encoder's fingerprint.
engine::EngineConfig engine_config(const Configuration& configuration);
http::ClientConfig client_config(const Configuration& configuration);
// What the model's pool is made of, how it is watched, and where further endpoints come from (null: nowhere).
llm::EndpointPoolConfig pool_config(const ModelSettings& model);
llm::WatchConfig watch_config(const ModelSettings& model);
std::unique_ptr<llm::EndpointSource> endpoint_source(const ModelSettings& model, async::ThreadPool& blocking);
std::vector<llm::EndpointConfig> endpoint_configs(const ModelSettings& model);
// Whether it is asked over HTTP.
bool is_remote(const ModelSettings& model);
// Without the pool.
llm::GatewayModel gateway_model(const Configuration& configuration, const ModelSettings& model);
llm::RemoteEmbedderConfig embedder_config(const ModelSettings& model);
llm::RemoteRerankerConfig reranker_config(const ModelSettings& model);
// What distinguishes the vectors of a remote embedding model from others'.
std::string embedder_fingerprint(const ModelSettings& model);
rag::AnswererConfig answerer_config(const Configuration& configuration);
rag::IngestorConfig ingestor_config(const Configuration& configuration);
api::ServiceConfig service_config(const Configuration& configuration);
// Precondition: the listen address is valid, as load_configuration() has checked.
http::ServerConfig http_config(const Configuration& configuration);

// Documents parsed and embedded side by side.
std::size_t ingest_concurrency();

}  // namespace ragtime::server
