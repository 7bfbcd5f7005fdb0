#include "server/module_settings.h"

#include <algorithm>

#include "base/processors.h"
#include "server/configuration_fields.h"
#include "server/endpoint_file.h"
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

llm::RemoteCallConfig remote_call(const ModelSettings& model) {
  llm::RemoteCallConfig out;
  out.name = model.name;
  // These answers come whole.
  out.first_byte = milliseconds(model.answer_ms);
  out.total = milliseconds(model.total_ms);
  out.retries_max = static_cast<int>(std::min<std::int64_t>(model.retry_attempts_max, 2));
  return out;
}

llm::Balance balance(std::string_view name) {
  if (name == "power_of_two") return llm::Balance::power_of_two;
  if (name == "round_robin") return llm::Balance::round_robin;
  if (name == "prefix") return llm::Balance::prefix;
  return llm::Balance::least_load;
}

llm::HealthConfig health_config(const ModelSettings& model) {
  llm::HealthConfig out;
  out.failures = static_cast<std::size_t>(model.breaker_failures);
  out.failure_share = static_cast<double>(model.breaker_failure_percent) / 100;
  out.open = milliseconds(model.breaker_open_ms);
  out.open_max = milliseconds(std::max(model.breaker_open_ms, model.breaker_open_max_ms));
  out.slow_start = milliseconds(model.breaker_slow_start_ms);
  return out;
}

std::string upstream_name(const ModelSettings& model, const std::string& given) {
  return given.empty() ? model.name : given;
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
  return std::clamp<std::size_t>(available_processors(), 2, 4);
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

bool is_remote(const ModelSettings& model) {
  return model.directory.empty();
}

std::vector<llm::EndpointConfig> endpoint_configs(const ModelSettings& model) {
  std::vector<llm::EndpointConfig> out;
  for (const auto& endpoint : model.endpoints) {
    out.push_back({endpoint.url, upstream_name(model, endpoint.model), endpoint.api_key,
                   static_cast<double>(endpoint.weight)});
  }
  return out;
}

llm::EndpointPoolConfig pool_config(const ModelSettings& model) {
  llm::EndpointPoolConfig out;
  out.model = model.name;
  out.endpoints = endpoint_configs(model);
  out.endpoints_follow = model.discovery.any();
  out.balance = balance(model.balance);
  out.health = health_config(model);
  const auto& admission = model.admission;
  out.limit = {.adaptive = admission.adaptive,
               .initial = static_cast<std::size_t>(admission.limit),
               .minimum = static_cast<std::size_t>(admission.limit_min),
               .maximum = static_cast<std::size_t>(admission.limit_max)};
  out.queue = {static_cast<std::size_t>(admission.queue_max), milliseconds(admission.queue_wait_ms)};
  out.freshness.fresh = 2 * milliseconds(model.metrics.interval_ms);
  out.freshness.stale = std::max(milliseconds(model.metrics.stale_ms), out.freshness.fresh);
  return out;
}

llm::WatchConfig watch_config(const ModelSettings& model) {
  llm::WatchConfig out;
  out.check_interval = milliseconds(model.health.interval_ms);
  out.check_timeout = milliseconds(model.health.timeout_ms);
  out.check_path = model.health.path;
  out.poll_interval = milliseconds(model.metrics.interval_ms);
  out.poll_timeout = milliseconds(model.metrics.timeout_ms);
  out.look_interval = milliseconds(model.discovery.interval_ms);
  out.fixed = endpoint_configs(model);
  return out;
}

std::unique_ptr<llm::EndpointSource> endpoint_source(const ModelSettings& model, async::ThreadPool& blocking) {
  const auto& discovery = model.discovery;
  const std::string name = upstream_name(model, discovery.model);
  if (!discovery.file.empty()) {
    return make_file_source({.file = discovery.file, .model = name, .api_key = discovery.api_key}, blocking);
  }
  if (!discovery.any()) return nullptr;
  llm::DnsSourceConfig config;
  // The host is the target's.
  config.url = discovery.srv.empty() ? discovery.dns : "http://" + discovery.srv + discovery.path;
  config.service = discovery.srv;
  config.model = name;
  config.api_key = discovery.api_key;
  return llm::make_dns_source(std::move(config), blocking);
}

llm::GatewayModel gateway_model(const Configuration& configuration, const ModelSettings& model) {
  llm::GatewayModel out;
  out.timeouts.connect = milliseconds(model.connect_ms);
  out.timeouts.first_byte = milliseconds(model.first_byte_ms);
  out.timeouts.first_token = first_token_timeout(configuration, model);
  out.timeouts.idle = milliseconds(model.idle_ms);
  out.timeouts.answer = milliseconds(model.answer_ms);
  out.timeouts.total = milliseconds(model.total_ms);
  out.retry.attempts_max = static_cast<std::size_t>(std::max<std::int64_t>(model.retry_attempts_max, 1));
  out.retry.budget_percent = static_cast<std::size_t>(model.retry_budget_percent);
  out.hedge = model.hedge;
  out.coalesce = model.coalesce;
  for (const auto& name : model.fallbacks) {
    // "ragtime-extractive" is no server; answers fall back to it by themselves.
    const auto chats = [&](const ModelSettings& other) { return other.name == name && is_chat(other); };
    if (name != model.name && std::ranges::any_of(configuration.models, chats)) out.fallbacks.push_back(name);
  }
  return out;
}

llm::RemoteEmbedderConfig embedder_config(const ModelSettings& model) {
  llm::RemoteEmbedderConfig out;
  out.call = remote_call(model);
  out.dimensions = static_cast<std::size_t>(model.dimensions);
  out.tokens_max = static_cast<std::size_t>(model.tokens_max);
  out.batch_texts_max = static_cast<std::size_t>(model.batch_size_max);
  return out;
}

llm::RemoteRerankerConfig reranker_config(const ModelSettings& model) {
  llm::RemoteRerankerConfig out;
  out.call = remote_call(model);
  out.dialect = rerank_dialect(model.dialect);
  out.tokens_max = static_cast<std::size_t>(model.tokens_max);
  out.batch_documents_max = static_cast<std::size_t>(model.batch_size_max);
  return out;
}

std::string embedder_fingerprint(const ModelSettings& model) {
  const auto endpoints = endpoint_configs(model);
  if (!endpoints.empty()) return endpoints.front().url + " " + endpoints.front().model;
  const auto& discovery = model.discovery;
  return discovery.dns + discovery.srv + discovery.file + " " + upstream_name(model, discovery.model);
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
  const HttpSettings& http = configuration.http;
  out.connections_per_address_max = static_cast<std::size_t>(http.connections_per_address_max);
  out.header_bytes_max = static_cast<std::size_t>(http.header_bytes_max);
  out.header_timeout = seconds(http.header_timeout_s);
  out.idle_timeout = seconds(http.idle_timeout_s);
  out.write_timeout = seconds(http.write_timeout_s);
  out.bytes_per_second_min = static_cast<std::size_t>(http.bytes_per_second_min);
  out.heartbeat_interval = seconds(http.heartbeat_s);
  out.websocket.message_bytes_max = static_cast<std::size_t>(http.websocket_message_bytes_max);
  out.websocket.ping_interval = seconds(http.websocket_ping_s);
  return out;
}

}  // namespace ragtime::server
