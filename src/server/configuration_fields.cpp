#include "server/configuration_fields.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ragtime::server {
namespace {

constexpr double kDayMs = 86'400'000;
constexpr double kYearS = 366.0 * 86'400;
constexpr double kAnyCount = 1e12;

FieldRules between(double min, double max, std::string environment = {}) {
  return {.environment = std::move(environment), .min = min, .max = max};
}

FieldRules one_of(std::vector<std::string_view> allowed, std::string environment = {}) {
  return {.environment = std::move(environment), .allowed = std::move(allowed)};
}

FieldRules variable(std::string name) {
  return {.environment = std::move(name)};
}

template <class T, class Visit>
void visit_list(FieldVisitor& visitor, std::string_view key, std::vector<T>& items, Visit visit) {
  items.resize(visitor.list_size(key, items.size()));
  for (std::size_t i = 0; i < items.size(); ++i) {
    visitor.list_item(key, i, [&] { visit(items[i], visitor); });
  }
}

void visit_server(ServerSettings& server, FieldVisitor& visitor) {
  visitor.field("listen", server.listen, variable("RAGTIME_LISTEN"));
  visitor.field("data_dir", server.data_dir, variable("RAGTIME_DATA_DIR"));
  visitor.field("roles", server.roles, one_of({"gateway", "ingest", "core", "worker", "all"}));
  visitor.field("tls_cert", server.tls_cert, {});
  visitor.field("tls_key", server.tls_key, {});
  visitor.field("behind_proxy", server.behind_proxy, {});
  visitor.field("allowed_hosts", server.allowed_hosts, {});
}

void visit_endpoint(EndpointSettings& endpoint, FieldVisitor& visitor) {
  visitor.field("url", endpoint.url, {.url = true});
  visitor.field("model", endpoint.model, {});
  visitor.field("api_key", endpoint.api_key, {.secret = true});
  visitor.field("weight", endpoint.weight, between(0, 1000));
}

void visit_pool(ModelSettings& model, FieldVisitor& visitor) {
  constexpr double kInFlightMax = 1'000'000;
  visitor.section("health", [&] {
    visitor.field("interval_ms", model.health.interval_ms, between(0, kDayMs));
    visitor.field("timeout_ms", model.health.timeout_ms, between(1, kDayMs));
    visitor.field("path", model.health.path, {});
  });
  visitor.section("metrics", [&] {
    visitor.field("interval_ms", model.metrics.interval_ms, between(0, kDayMs));
    visitor.field("timeout_ms", model.metrics.timeout_ms, between(1, kDayMs));
    visitor.field("stale_ms", model.metrics.stale_ms, between(1, kDayMs));
  });
  visitor.section("discovery", [&] {
    visitor.field("dns", model.discovery.dns, {.url = true});
    visitor.field("srv", model.discovery.srv, {});
    visitor.field("path", model.discovery.path, {});
    visitor.field("file", model.discovery.file, {});
    visitor.field("model", model.discovery.model, {});
    visitor.field("api_key", model.discovery.api_key, {.secret = true});
    visitor.field("interval_ms", model.discovery.interval_ms, between(100, kDayMs));
  });
  visitor.section("admission", [&] {
    visitor.field("adaptive", model.admission.adaptive, {});
    visitor.field("limit", model.admission.limit, between(1, kInFlightMax));
    visitor.field("limit_min", model.admission.limit_min, between(1, kInFlightMax));
    visitor.field("limit_max", model.admission.limit_max, between(1, kInFlightMax));
    visitor.field("queue_max", model.admission.queue_max, between(0, kInFlightMax));
    visitor.field("queue_wait_ms", model.admission.queue_wait_ms, between(0, kDayMs));
  });
}

void visit_model(ModelSettings& model, FieldVisitor& visitor) {
  visitor.field("name", model.name, {});
  visitor.field("task", model.task, one_of({"chat", "embedding", "rerank"}));
  visitor.field("balance", model.balance, one_of({"least_load", "power_of_two", "round_robin", "prefix"}));
  visitor.field("fallbacks", model.fallbacks, {});
  visitor.field("hedge", model.hedge, {});
  visitor.field("coalesce", model.coalesce, {});
  visit_list(visitor, "endpoints", model.endpoints, visit_endpoint);
  visitor.field("directory", model.directory, {});
  visitor.field("dialect", model.dialect, one_of({"jina", "cohere_v1", "cohere_v2", "tei"}));
  visitor.field("dimensions", model.dimensions, between(0, 65'536));
  visitor.field("tokens_max", model.tokens_max, between(16, 1'000'000));
  visitor.field("batch_size_max", model.batch_size_max, between(1, 2048));
  visitor.section("timeouts", [&] {
    visitor.field("connect_ms", model.connect_ms, between(1, kDayMs));
    visitor.field("first_byte_ms", model.first_byte_ms, between(1, kDayMs));
    visitor.field("first_token_ms", model.first_token_ms, between(0, kDayMs));
    visitor.field("idle_ms", model.idle_ms, between(1, kDayMs));
    visitor.field("answer_ms", model.answer_ms, between(1, kDayMs));
    visitor.field("total_ms", model.total_ms, between(1, kDayMs));
  });
  visitor.section("retry", [&] {
    visitor.field("attempts_max", model.retry_attempts_max, between(0, 20));
    visitor.field("budget_percent", model.retry_budget_percent, between(0, 100));
  });
  visitor.section("breaker", [&] {
    visitor.field("failures", model.breaker_failures, between(1, 10'000));
    visitor.field("failure_percent", model.breaker_failure_percent, between(1, 100));
    visitor.field("open_ms", model.breaker_open_ms, between(1, kDayMs));
    visitor.field("open_max_ms", model.breaker_open_max_ms, between(1, kDayMs));
    visitor.field("slow_start_ms", model.breaker_slow_start_ms, between(0, kDayMs));
  });
  visit_pool(model, visitor);
}

void visit_retrieval(RetrievalSettings& retrieval, FieldVisitor& visitor) {
  visitor.field("fusion", retrieval.fusion, one_of({"convex", "rrf"}));
  visitor.field("dense_weight", retrieval.dense_weight, between(0, 1));
  visitor.field("candidates", retrieval.candidates, between(1, 10'000));
  visitor.field("results", retrieval.results, between(1, 50));
  visitor.field("reranker", retrieval.reranker,
                one_of({"none", "lexical_overlap", "late_interaction", "cross_encoder"}));
  visitor.field("rerank_model", retrieval.rerank_model, {});
  visitor.field("rerank_candidates", retrieval.rerank_candidates, between(1, 1000));
  visitor.field("rerank_budget_ms", retrieval.rerank_budget_ms, between(1, 60'000));
  visitor.field("rerank_weight", retrieval.rerank_weight, between(0, 1));
  visitor.field("duplicates", retrieval.duplicates, one_of({"keep", "suppress"}));
  visitor.field("mmr_lambda", retrieval.mmr_lambda, between(0, 1));
  visitor.field("neighbors", retrieval.neighbors, between(0, 20));
}

void visit_index(RetrievalSettings& retrieval, FieldVisitor& visitor) {
  visitor.field("index", retrieval.index, {});  // Names are those of index::parse_vector_kind().
  visitor.field("recall_target", retrieval.recall_target, between(0.5, 1));
  visitor.field("index_bytes_max", retrieval.index_bytes_max, between(0, 1e15));
  visitor.field("bm25_k1", retrieval.bm25_k1, between(0, 10));
  visitor.field("bm25_b", retrieval.bm25_b, between(0, 1));
  visitor.field("heading_weight", retrieval.heading_weight, between(0, 10));
  visitor.field("user_words", retrieval.user_words, {});
  visitor.field("merge_changes", retrieval.merge_changes, between(0, 1'000'000));
}

std::string upper(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return c == '-' ? '_' : std::toupper(c); });
  return out;
}

void visit_cache(CacheSettings& cache, FieldVisitor& visitor) {
  visitor.field("enabled", cache.enabled, variable("CACHE_ENABLED"));
  visitor.field("default_ttl_s", cache.default_ttl_s, between(0, kYearS, "CACHE_DEFAULT_TTL"));
  visitor.field("memory_bytes", cache.memory_bytes, between(0, kAnyCount));
  visitor.field("redis_url", cache.redis_url, {.environment = "REDIS_URL", .url = true});
  visitor.field("redis_connections_max", cache.redis_connections_max, between(1, 10'000, "REDIS_MAX_CONNECTIONS"));
  visitor.field("embedding_rows_max", cache.embedding_rows_max, between(0, kAnyCount));
  visitor.field("embedding_bytes_max", cache.embedding_bytes_max, between(0, 1e15));
  visitor.field("query_vector_bytes", cache.query_vector_bytes, between(0, kAnyCount));
  for (auto& name : visitor.further_names("kinds"))
    cache.kinds.try_emplace(name, CacheKindSettings{cache.default_ttl_s});
  visitor.section("kinds", [&] {
    for (auto& [name, kind] : cache.kinds) {
      visitor.section(name, [&, &name = name, &kind = kind] {
        visitor.field("ttl_s", kind.ttl_s, between(0, kYearS, "CACHE_" + upper(name) + "_TTL"));
        visitor.field("priority", kind.priority, one_of({"low", "normal", "high"}));
        visitor.field("levels", kind.levels, one_of({"memory", "redis", "database"}));
      });
    }
  });
}

void visit_rates(LimitSetSettings& limits, FieldVisitor& visitor) {
  visitor.field("requests_per_minute", limits.requests_per_minute, between(0, kAnyCount));
  visitor.field("tokens_per_minute", limits.tokens_per_minute, between(0, kAnyCount));
  visitor.field("streams", limits.streams, between(0, kAnyCount));
}

void visit_limit_set(LimitSetSettings& limits, FieldVisitor& visitor) {
  visit_rates(limits, visitor);
  visitor.field("concurrent_requests", limits.concurrent_requests, between(0, kAnyCount));
}

void visit_limits(LimitSettings& limits, FieldVisitor& visitor) {
  constexpr double kCountMax = 1'000'000;
  constexpr double kDayS = 86'400;
  visitor.field("concurrent_requests_max", limits.concurrent_requests_max,
                between(1, kCountMax, "MAX_CONCURRENT_REQUESTS"));
  visitor.field("compute_threads_max", limits.compute_threads_max, between(0, 1024, "THREAD_POOL_MAX_WORKERS"));
  visitor.field("background_queue_max", limits.background_queue_max, between(1, kCountMax, "ASYNC_TASK_QUEUE_SIZE"));
  visitor.field("connections_max", limits.connections_max, between(1, kCountMax));
  visitor.field("request_timeout_s", limits.request_timeout_s, between(1, kDayS, "REQUEST_TIMEOUT"));
  visitor.field("llm_timeout_s", limits.llm_timeout_s, between(1, kDayS, "LLM_TIMEOUT"));
  visitor.field("vector_search_timeout_s", limits.vector_search_timeout_s, between(1, kDayS, "VECTOR_SEARCH_TIMEOUT"));
  visitor.field("database_timeout_s", limits.database_timeout_s, between(1, kDayS, "DATABASE_TIMEOUT"));
  visitor.field("memory_bytes_max", limits.memory_bytes_max, between(0, 1e15));
  visitor.field("file_bytes_max", limits.file_bytes_max, between(1, kAnyCount));
  visitor.field("context_tokens_max", limits.context_tokens_max, between(100, kCountMax));
  visitor.field("waiting_requests_max", limits.waiting_requests_max, between(0, kCountMax));
  visitor.field("request_wait_ms", limits.request_wait_ms, between(1, 60'000));
  visitor.section("per_key", [&] { visit_limit_set(limits.per_key, visitor); });
  visitor.section("per_tenant", [&] { visit_limit_set(limits.per_tenant, visitor); });
  visitor.section("server", [&] { visit_rates(limits.server, visitor); });
}

void visit_degradation(DegradationSettings& degradation, FieldVisitor& visitor) {
  visitor.field("message", degradation.message, {});
  visitor.field("message_zh", degradation.message_zh, {});
  visitor.field("answers_max", degradation.answers_max, between(0, kAnyCount));
  visitor.field("answer_bytes_max", degradation.answer_bytes_max, between(0, kAnyCount));
  visitor.field("answer_ttl_s", degradation.answer_ttl_s, between(0, kYearS));
  visitor.field("similarity", degradation.similarity, between(0, 1));
}

void visit_http(HttpSettings& http, FieldVisitor& visitor) {
  constexpr double kDayS = 86'400;
  visitor.field("connections_per_address_max", http.connections_per_address_max, between(0, 1'000'000));
  visitor.field("header_bytes_max", http.header_bytes_max, between(1024, 1 << 20));
  visitor.field("header_timeout_s", http.header_timeout_s, between(1, kDayS));
  visitor.field("idle_timeout_s", http.idle_timeout_s, between(1, kDayS));
  visitor.field("write_timeout_s", http.write_timeout_s, between(1, kDayS));
  visitor.field("bytes_per_second_min", http.bytes_per_second_min, between(1, 1e9));
  visitor.field("heartbeat_s", http.heartbeat_s, between(0, kDayS));
  visitor.field("websocket_message_bytes_max", http.websocket_message_bytes_max, between(1024, 64 << 20));
  visitor.field("websocket_ping_s", http.websocket_ping_s, between(1, kDayS));
}

}  // namespace

void visit_fields(Configuration& configuration, FieldVisitor& visitor) {
  visitor.section("server", [&] { visit_server(configuration.server, visitor); });
  visit_list(visitor, "models", configuration.models, visit_model);
  visitor.section("routing", [&] {
    visitor.field("light", configuration.routing.light, {});
    visitor.field("balanced", configuration.routing.balanced, {});
    visitor.field("strong", configuration.routing.strong, {});
    visitor.field("balanced_from", configuration.routing.balanced_from, between(0, 1));
    visitor.field("strong_from", configuration.routing.strong_from, between(0, 1));
    visitor.field("confidence_low", configuration.routing.confidence_low, between(0, 1));
    visitor.field("confidence_high", configuration.routing.confidence_high, between(0, 1));
  });
  visitor.section("degradation", [&] { visit_degradation(configuration.degradation, visitor); });
  visitor.section("encoder", [&] {
    visitor.field("model", configuration.encoder.model, {});
    visitor.field("precision", configuration.encoder.precision, one_of({"auto", "f32", "bf16", "int8"}));
  });
  visitor.section("chunking", [&] {
    visitor.field("size", configuration.chunking.size, between(16, 100'000));
    visitor.field("overlap", configuration.chunking.overlap, between(0, 50'000));
    visitor.field("strategy", configuration.chunking.strategy,
                  one_of({"auto", "prose", "markdown", "code", "academic", "table", "characters"}));
  });
  visitor.section("retrieval", [&] {
    visit_retrieval(configuration.retrieval, visitor);
    visit_index(configuration.retrieval, visitor);
  });
  visitor.section("cache", [&] { visit_cache(configuration.cache, visitor); });
  visitor.section("store",
                  [&] { visitor.field("url", configuration.store.url, {.environment = "POSTGRES_URL", .url = true}); });
  visitor.section("limits", [&] { visit_limits(configuration.limits, visitor); });
  visitor.section("http", [&] { visit_http(configuration.http, visitor); });
  visitor.section("stream", [&] {
    visitor.field("enabled", configuration.stream.enabled, variable("STREAMING_ENABLED"));
    visitor.field("chunk_size", configuration.stream.chunk_size, between(1, 1 << 20, "STREAM_CHUNK_SIZE"));
    visitor.field("buffer_size", configuration.stream.buffer_size, between(1, 1 << 26, "STREAM_BUFFER_SIZE"));
  });
  visitor.section("log", [&] {
    visitor.field("level", configuration.log.level, one_of({"debug", "info", "warning", "error"}));
    visitor.field("format", configuration.log.format, one_of({"json", "text"}));
  });
  visitor.section("trace", [&] { visitor.field("otlp_url", configuration.trace.otlp_url, {.url = true}); });
}

std::string violation(const std::string& value, const FieldRules& rules) {
  if (rules.allowed.empty() || std::count(rules.allowed.begin(), rules.allowed.end(), value)) return {};
  const std::vector<std::string> candidates(rules.allowed.begin(), rules.allowed.end());
  const std::string guess = closest_name(value, candidates);
  return fmt::format("must be one of {}, not \"{}\"{}", fmt::join(candidates, ", "), value,
                     guess.empty() ? "" : fmt::format("; did you mean \"{}\"?", guess));
}

std::string violation(double value, const FieldRules& rules) {
  if (value >= rules.min && value <= rules.max) return {};
  return fmt::format("must be between {} and {}, not {}", rules.min, rules.max, value);
}

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string closest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < name.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace ragtime::server
