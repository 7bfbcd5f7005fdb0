#include "server/module_settings.h"

#include <algorithm>
#include <thread>

#include "server/configuration_fields.h"
#include "server/version.h"

namespace ragtime::server {
namespace {

std::chrono::milliseconds milliseconds(std::int64_t count) {
  return std::chrono::milliseconds(count);
}

std::chrono::milliseconds seconds(std::int64_t count) {
  return std::chrono::seconds(count);
}

telemetry::LogLevel log_level(std::string_view name) {
  if (name == "debug") return telemetry::LogLevel::debug;
  if (name == "warning") return telemetry::LogLevel::warning;
  if (name == "error") return telemetry::LogLevel::error;
  return telemetry::LogLevel::info;
}

text::ChunkingOptions chunking_options(const ChunkingSettings& chunking) {
  // "academic" comes with a later version and is named by settings_without_effect().
  const auto strategy = text::parse_chunking_strategy(chunking.strategy);
  return {.strategy = strategy.has_value() ? *strategy : text::ChunkingStrategy::automatic,
          .size = static_cast<int>(chunking.size),
          .overlap = static_cast<int>(chunking.overlap)};
}

// Without the directory.
engine::IndexConfig index_config(const RetrievalSettings& retrieval) {
  engine::IndexConfig out;
  const auto kind = index::parse_vector_kind(retrieval.index);  // Checked when the configuration was read.
  if (kind.has_value()) out.vectors.kind = *kind;
  out.vectors.recall_target = retrieval.recall_target;
  out.vectors.memory_bytes_max = static_cast<std::size_t>(retrieval.index_bytes_max);
  out.lexical.k1 = static_cast<float>(retrieval.bm25_k1);
  out.lexical.b = static_cast<float>(retrieval.bm25_b);
  out.lexical.heading_weight = static_cast<float>(retrieval.heading_weight);
  out.merge_changes = static_cast<std::size_t>(retrieval.merge_changes);
  if (out.merge_changes > 0) out.snapshot_chunks = 1;
  return out;
}

std::chrono::milliseconds first_token_timeout(const Configuration& configuration, const ModelSettings& model) {
  return model.first_token_ms > 0 ? milliseconds(model.first_token_ms) : seconds(configuration.limits.llm_timeout_s);
}

bool is_chat(const ModelSettings& model) {
  return model.task == "chat";
}

llm::RemoteEndpoint remote_endpoint(const ModelSettings& model) {
  const auto& endpoint = model.endpoints.front();
  llm::RemoteEndpoint out;
  out.name = model.name;
  out.url = endpoint.url;
  out.model = endpoint.model.empty() ? model.name : endpoint.model;
  out.api_key = endpoint.api_key;
  out.timeout = milliseconds(model.total_ms);
  out.retries_max = static_cast<int>(std::min<std::int64_t>(model.retry_attempts_max, 2));
  return out;
}

llm::EndpointPoolConfig pool_config(const ModelSettings& model) {
  llm::EndpointPoolConfig out;
  out.model = model.name;
  for (const auto& endpoint : model.endpoints) {
    out.endpoints.push_back({endpoint.url, endpoint.model.empty() ? model.name : endpoint.model, endpoint.api_key,
                             static_cast<double>(endpoint.weight)});
  }
  if (model.balance == "power_of_two") out.balance = llm::Balance::power_of_two;
  if (model.balance == "round_robin") out.balance = llm::Balance::round_robin;
  if (model.balance == "prefix") out.balance = llm::Balance::prefix;
  out.health.failures = static_cast<std::size_t>(model.breaker_failures);
  out.health.open = milliseconds(model.breaker_open_ms);
  return out;
}

llm::GatewayTimeouts gateway_timeouts(const Configuration& configuration, const ModelSettings& model) {
  llm::GatewayTimeouts out;
  out.connect = milliseconds(model.connect_ms);
  out.first_byte = milliseconds(model.first_byte_ms);
  out.first_token = first_token_timeout(configuration, model);
  out.idle = milliseconds(model.idle_ms);
  out.answer = milliseconds(model.answer_ms);
  out.total = milliseconds(model.total_ms);
  return out;
}

llm::RerankDialect rerank_dialect(std::string_view name) {
  if (name == "cohere_v1") return llm::RerankDialect::cohere_v1;
  if (name == "cohere_v2") return llm::RerankDialect::cohere_v2;
  if (name == "tei") return llm::RerankDialect::tei;
  return llm::RerankDialect::jina;
}

engine::RerankMethod rerank_method(std::string_view name) {
  if (name == "lexical_overlap") return engine::RerankMethod::lexical_overlap;
  if (name == "late_interaction") return engine::RerankMethod::late_interaction;
  if (name == "cross_encoder") return engine::RerankMethod::cross_encoder;
  return engine::RerankMethod::none;
}

void set_retrieval(const RetrievalSettings& retrieval, engine::EngineConfig& out) {
  out.fusion = retrieval.fusion == "rrf" ? engine::Fusion::rrf : engine::Fusion::convex;
  out.dense_weight = static_cast<float>(retrieval.dense_weight);
  out.candidates = static_cast<std::size_t>(retrieval.candidates);
  out.rerank.method = rerank_method(retrieval.reranker);
  out.rerank.candidates = static_cast<std::size_t>(retrieval.rerank_candidates);
  out.rerank.budget = milliseconds(retrieval.rerank_budget_ms);
  out.rerank.weight = static_cast<float>(retrieval.rerank_weight);
  out.duplicates = retrieval.duplicates == "suppress" ? engine::Duplicates::suppress : engine::Duplicates::keep;
  out.mmr_lambda = static_cast<float>(retrieval.mmr_lambda);
  out.neighbors = static_cast<std::size_t>(retrieval.neighbors);
}

}  // namespace

std::size_t ingest_concurrency() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, 4);
}

telemetry::LogConfig log_config(const Configuration& configuration) {
  return {.level = log_level(configuration.log.level), .json = configuration.log.format == "json", .file = {}};
}

async::ThreadPoolConfig compute_pool_config(const Configuration& configuration) {
  return {.name = "compute",
          .threads = static_cast<std::size_t>(configuration.limits.compute_threads_max),
          .queue_max = 4096};
}

async::ThreadPoolConfig blocking_pool_config(const Configuration& configuration) {
  const auto requests = static_cast<std::size_t>(configuration.limits.concurrent_requests_max);
  return {.name = "blocking", .threads = 8, .queue_max = std::max<std::size_t>(4096, requests * 16)};
}

async::ThreadPoolConfig parsing_pool_config(const Configuration&) {
  return {.name = "parsing", .threads = ingest_concurrency(), .queue_max = 4096};
}

documents::ParserConfig parser_config(const Configuration& configuration) {
  documents::ParserConfig out;
  out.file_bytes_max = static_cast<std::size_t>(configuration.limits.file_bytes_max);
  out.workers_max = ingest_concurrency();
  return out;
}

engine::EngineConfig engine_config(const Configuration& configuration) {
  engine::EngineConfig out;
  out.chunking = chunking_options(configuration.chunking);
  set_retrieval(configuration.retrieval, out);
  out.embed_budget = seconds(configuration.limits.vector_search_timeout_s);
  out.index = index_config(configuration.retrieval);
  const auto& cache = configuration.cache;
  const auto size = [&](std::int64_t count) { return cache.enabled ? static_cast<std::size_t>(count) : 0; };
  out.embedding_cache.rows_max = size(cache.embedding_rows_max);
  out.embedding_cache.bytes_max = size(cache.embedding_bytes_max);
  out.embedding_cache.query_bytes_max = size(cache.query_vector_bytes);
  return out;
}

http::ClientConfig client_config(const Configuration& configuration) {
  http::ClientConfig out;
  for (const auto& model : configuration.models) {
    out.connect_timeout = std::max(out.connect_timeout, milliseconds(model.connect_ms));
    // The gateway limits its waits itself.
    for (const auto wait : {model.first_token_ms, model.idle_ms, model.answer_ms}) {
      out.idle_timeout = std::max(out.idle_timeout, milliseconds(wait));
    }
  }
  return out;
}

std::vector<llm::EndpointPoolConfig> chat_pool_configs(const Configuration& configuration) {
  std::vector<llm::EndpointPoolConfig> out;
  for (const auto& model : configuration.models) {
    if (is_chat(model)) out.push_back(pool_config(model));
  }
  return out;
}

std::vector<llm::GatewayModel> gateway_models(const Configuration& configuration) {
  std::vector<llm::GatewayModel> out;
  for (const auto& model : configuration.models) {
    if (!is_chat(model)) continue;
    llm::GatewayModel& added = out.emplace_back();
    added.timeouts = gateway_timeouts(configuration, model);
    added.retry.attempts_max = static_cast<std::size_t>(std::max<std::int64_t>(1, model.retry_attempts_max));
    added.retry.budget_percent = static_cast<std::size_t>(model.retry_budget_percent);
    added.hedge = model.hedge;
    added.coalesce = model.coalesce;
    for (const auto& name : model.fallbacks) {
      const auto chats = [&](const ModelSettings& other) { return other.name == name && is_chat(other); };
      if (name != model.name && std::ranges::any_of(configuration.models, chats)) added.fallbacks.push_back(name);
    }
  }
  return out;
}

std::vector<llm::RemoteEmbedderConfig> embedder_configs(const Configuration& configuration) {
  std::vector<llm::RemoteEmbedderConfig> out;
  for (const auto& model : configuration.models) {
    if (model.task != "embedding") continue;
    llm::RemoteEmbedderConfig config;
    config.endpoint = remote_endpoint(model);
    config.dimensions = static_cast<std::size_t>(model.dimensions);
    config.tokens_max = static_cast<std::size_t>(model.tokens_max);
    config.batch_texts_max = static_cast<std::size_t>(model.batch_size_max);
    out.push_back(std::move(config));
  }
  return out;
}

std::vector<llm::RemoteRerankerConfig> reranker_configs(const Configuration& configuration) {
  std::vector<llm::RemoteRerankerConfig> out;
  for (const auto& model : configuration.models) {
    if (model.task != "rerank" || !model.directory.empty()) continue;
    llm::RemoteRerankerConfig config;
    config.endpoint = remote_endpoint(model);
    config.dialect = rerank_dialect(model.dialect);
    config.tokens_max = static_cast<std::size_t>(model.tokens_max);
    config.batch_documents_max = static_cast<std::size_t>(model.batch_size_max);
    out.push_back(std::move(config));
  }
  return out;
}

rag::AnswererConfig answerer_config(const Configuration& configuration) {
  rag::AnswererConfig out;
  out.context_tokens_max = static_cast<std::size_t>(configuration.limits.context_tokens_max);
  const auto& routing = configuration.routing;
  out.routing.light = routing.light;
  out.routing.balanced = routing.balanced;
  out.routing.strong = routing.strong;
  out.routing.thresholds = {.balanced = routing.balanced_from,
                            .strong = routing.strong_from,
                            .confidence_low = routing.confidence_low,
                            .confidence_high = routing.confidence_high};
  const auto& degradation = configuration.degradation;
  out.degradation.message = degradation.message;
  out.degradation.message_chinese = degradation.message_zh;
  out.degradation.memory = {.entries_max = static_cast<std::size_t>(degradation.answers_max),
                            .bytes_max = static_cast<std::size_t>(degradation.answer_bytes_max),
                            .ttl = std::chrono::seconds(degradation.answer_ttl_s),
                            .similarity = degradation.similarity};
  return out;
}

rag::IngestorConfig ingestor_config(const Configuration&) {
  rag::IngestorConfig out;
  out.concurrency = ingest_concurrency();
  return out;
}

namespace {

api::LimitSet limit_set(const LimitSetSettings& limits) {
  return {.requests_per_minute = limits.requests_per_minute,
          .tokens_per_minute = limits.tokens_per_minute,
          .streams = limits.streams,
          .concurrent_requests = limits.concurrent_requests};
}

api::LimitsConfig limits_config(const LimitSettings& limits) {
  api::LimitsConfig out;
  out.per_key = limit_set(limits.per_key);
  out.per_tenant = limit_set(limits.per_tenant);
  out.total = limit_set(limits.server);
  out.total.concurrent_requests = limits.concurrent_requests_max;
  out.waiting_max = static_cast<std::size_t>(limits.waiting_requests_max);
  out.wait_max = milliseconds(limits.request_wait_ms);
  return out;
}

}  // namespace

api::ServiceConfig service_config(const Configuration& configuration) {
  api::ServiceConfig out;
  out.file_bytes_max = static_cast<std::size_t>(configuration.limits.file_bytes_max);
  out.request_timeout = seconds(configuration.limits.request_timeout_s);
  out.database_timeout = seconds(configuration.limits.database_timeout_s);
  out.allowed_hosts = configuration.server.allowed_hosts;
  out.limits = limits_config(configuration.limits);
  out.stream.enabled = configuration.stream.enabled;
  out.stream.chunk_bytes = static_cast<std::size_t>(configuration.stream.chunk_size);
  out.stream.buffer_bytes = static_cast<std::size_t>(configuration.stream.buffer_size);
  out.version = version();
  for (const auto& model : configuration.models) {
    if (is_chat(model)) out.answer_timeout = std::max(out.answer_timeout, milliseconds(model.total_ms));
  }
  return out;
}

http::ServerConfig http_config(const Configuration& configuration) {
  const ListenAddress listen = parse_listen(configuration.server.listen).value();
  http::ServerConfig out;
  out.address = listen.address;
  out.port = listen.port;
  out.connections_max = static_cast<std::size_t>(configuration.limits.connections_max);
  return out;
}

}  // namespace ragtime::server
