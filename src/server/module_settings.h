// The one place where Configuration becomes the configuration structs of the modules.
//
// Thread safety: pure functions.
#pragma once

#include <vector>

#include "api/service.h"
#include "async/thread_pool.h"
#include "documents/parser.h"
#include "engine/engine.h"
#include "http/client.h"
#include "http/server.h"
#include "llm/balanced_pool.h"
#include "llm/gateway.h"
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
// The pools of the chat models, in the order of the configuration, without metrics and log.
std::vector<llm::EndpointPoolConfig> chat_pool_configs(const Configuration& configuration);
// The same models for the gateway, without their pools.
std::vector<llm::GatewayModel> gateway_models(const Configuration& configuration);
// The remote models of the other tasks, in the order of the configuration.
std::vector<llm::RemoteEmbedderConfig> embedder_configs(const Configuration& configuration);
std::vector<llm::RemoteRerankerConfig> reranker_configs(const Configuration& configuration);
rag::AnswererConfig answerer_config(const Configuration& configuration);
rag::IngestorConfig ingestor_config(const Configuration& configuration);
api::ServiceConfig service_config(const Configuration& configuration);
// Precondition: the listen address is valid, as load_configuration() has checked.
http::ServerConfig http_config(const Configuration& configuration);

// Documents parsed and embedded side by side.
std::size_t ingest_concurrency();

}  // namespace ragtime::server
