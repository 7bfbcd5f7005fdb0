// Configuration: everything an operator can set, as one typed struct, and how it is read.
//
// Later sources win: built-in defaults, the configuration file, environment variables, flags. A mistake (syntax,
// unknown key, wrong type, value out of bounds) is an error that names file and line, the variable or the flag.
// Names, bounds and environment variables of all settings are declared once, in configuration_fields.cpp.
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::server {

// Reads one environment variable; a seam so that tests need not change the process.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
Environment process_environment();

struct ServerSettings {
  std::string listen = "127.0.0.1:8000";
  std::string data_dir = "data";
  std::vector<std::string> roles = {"all"};
  std::string tls_cert;
  std::string tls_key;
  bool behind_proxy = false;
  std::vector<std::string> allowed_hosts;  // Further names accepted in Host and Origin while no key exists.
};

struct EndpointSettings {
  std::string url;
  std::string model;
  std::string api_key;
  std::int64_t weight = 1;
};

// Active checks of a model's endpoints, while there are several.
struct HealthSettings {
  std::int64_t interval_ms = 5'000;  // 0: none.
  std::int64_t timeout_ms = 2'000;
  std::string path;  // Empty: /health, and /v1/models where there is none.
};

// The load that endpoints report at /metrics, while there are several.
struct PollSettings {
  std::int64_t interval_ms = 500;  // 0: not asked.
  std::int64_t timeout_ms = 1'000;
  std::int64_t stale_ms = 5'000;  // Older figures count for nothing.
};

// Endpoints beside those that are listed; one of `dns`, `srv` and `file`, or none.
struct DiscoverySettings {
  std::string dns;           // A URL; every address of its host is an endpoint.
  std::string srv;           // A service such as "_http._tcp.models.internal".
  std::string path = "/v1";  // Of `srv`.
  std::string file;          // JSON or TOML, see endpoint_file.h.
  std::string model;         // Of each; empty: the model's name.
  std::string api_key;       // Of each.
  std::int64_t interval_ms = 10'000;

  bool any() const { return !dns.empty() || !srv.empty() || !file.empty(); }
};

// How much is sent to an endpoint at a time, and what happens to the rest.
struct AdmissionSettings {
  bool adaptive = true;  // By the time to the first token; false: always `limit`.
  std::int64_t limit = 1'024;  // Requests in flight per endpoint, at first.
  std::int64_t limit_min = 32;
  std::int64_t limit_max = 16'384;
  std::int64_t queue_max = 1'024;  // Requests that wait.
  std::int64_t queue_wait_ms = 2'000;
};

struct ModelSettings {
  std::string name;
  std::string task = "chat";
  std::string balance = "least_load";
  std::vector<std::string> fallbacks;
  bool hedge = false;
  bool coalesce = false;
  std::vector<EndpointSettings> endpoints;
  std::string directory;              // task = "rerank": a cross-encoder in this process, in place of endpoints.
  std::string dialect = "jina";       // task = "rerank": how its endpoint wants to be asked.
  std::int64_t dimensions = 0;        // task = "embedding"; 0: what the first answer has.
  std::int64_t tokens_max = 8192;     // task = "embedding" and "rerank": of one text.
  std::int64_t batch_size_max = 128;  // Texts in one call of the endpoint.
  std::int64_t connect_ms = 5'000;
  std::int64_t first_byte_ms = 10'000;
  std::int64_t first_token_ms = 0;  // 0: limits.llm_timeout_s.
  std::int64_t idle_ms = 30'000;
  std::int64_t answer_ms = 300'000;
  std::int64_t total_ms = 600'000;
  std::int64_t retry_attempts_max = 2;
  std::int64_t retry_budget_percent = 20;
  std::int64_t breaker_failures = 5;
  std::int64_t breaker_failure_percent = 50;
  std::int64_t breaker_open_ms = 30'000;
  std::int64_t breaker_open_max_ms = 300'000;
  std::int64_t breaker_slow_start_ms = 10'000;
  HealthSettings health;
  PollSettings metrics;
  DiscoverySettings discovery;
  AdmissionSettings admission;
};

// Which configured model answers a question of each complexity when a client asks for "auto"; empty: the default.
struct RoutingSettings {
  std::string light;
  std::string balanced;
  std::string strong;
  double balanced_from = 0.25;  // Scores, 0..1.
  double strong_from = 0.5;
  double confidence_low = 0.3;  // Of the best hit, when documents are searched.
  double confidence_high = 0.7;
};

// What is said and remembered for the time when no model answers.
struct DegradationSettings {
  std::string message;     // Empty: the failure is an error.
  std::string message_zh;  // To questions in Chinese; empty: `message`.
  std::int64_t answers_max = 1000;  // Remembered answers; 0: none.
  std::int64_t answer_bytes_max = 8ll << 20;
  std::int64_t answer_ttl_s = 3600;
  double similarity = 0.9;
};

inline constexpr std::string_view kDefaultEncoderModel = "all-MiniLM-L6-v2";

struct EncoderSettings {
  // A directory, a name under data_dir/models, or a model of [[models]] with task "embedding"; empty: lexical only.
  std::string model{kDefaultEncoderModel};
  std::string precision = "auto";
};

struct ChunkingSettings {
  std::int64_t size = 800;
  std::int64_t overlap = 200;
  std::string strategy = "auto";
};

struct RetrievalSettings {
  std::string fusion = "convex";
  double dense_weight = 0.7;
  std::int64_t candidates = 100;
  std::int64_t results = 10;
  std::string reranker = "none";
  std::string rerank_model;  // For "cross_encoder": one of [[models]] with task "rerank".
  std::int64_t rerank_candidates = 30;
  std::int64_t rerank_budget_ms = 300;
  double rerank_weight = 0.5;
  std::string duplicates = "keep";
  double mmr_lambda = 1;
  std::int64_t neighbors = 0;
  std::string index = "auto";
  double recall_target = 0.95;
  std::int64_t index_bytes_max = 0;  // 0: no limit.
  double bm25_k1 = 0.9;
  double bm25_b = 0.4;
  double heading_weight = 2;
  std::int64_t merge_changes = 0;  // For tests; 0: when it pays.
  std::string user_words;          // A file, see user_words_file.h; empty: none.
};

struct CacheKindSettings {
  std::int64_t ttl_s = 3600;
  std::string priority = "normal";
  std::vector<std::string> levels = {"memory", "redis"};
};

struct CacheSettings {
  bool enabled = true;
  std::int64_t default_ttl_s = 3600;
  std::int64_t memory_bytes = 256 << 20;
  std::string redis_url;
  std::int64_t redis_connections_max = 100;
  std::int64_t embedding_rows_max = 500'000;     // Vectors of document texts in the database; 0: none.
  std::int64_t embedding_bytes_max = 1ll << 30;  // Of them.
  std::int64_t query_vector_bytes = 8ll << 20;   // Vectors of queries in memory; 0: none.
  std::map<std::string, CacheKindSettings> kinds = {{"emotion", {1800}}, {"memory", {3600}}, {"prompt", {1800}},
                                                    {"search", {900}},   {"visit", {3600}},  {"scholar", {86400}}};
};

struct StoreSettings {
  std::string url = "sqlite:";
};

struct LimitSetSettings {  // 0: no limit.
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  std::int64_t streams = 0;
  std::int64_t concurrent_requests = 0;
};

struct LimitSettings {
  std::int64_t concurrent_requests_max = 50;  // Of the whole server.
  std::int64_t waiting_requests_max = 100;    // Beyond those.
  std::int64_t request_wait_ms = 1000;        // How long each of them waits.
  LimitSetSettings per_key;                   // Where `ragtime key create` said nothing else.
  LimitSetSettings per_tenant;
  LimitSetSettings server;  // All together; its concurrent requests are concurrent_requests_max.
  std::int64_t compute_threads_max = 0;  // 0 = one per core.
  std::int64_t background_queue_max = 1000;
  std::int64_t connections_max = 10'000;
  std::int64_t request_timeout_s = 30;
  std::int64_t llm_timeout_s = 20;
  std::int64_t vector_search_timeout_s = 5;
  std::int64_t database_timeout_s = 10;
  std::int64_t memory_bytes_max = 0;  // 0 = no limit.
  std::int64_t file_bytes_max = 512ll << 20;
  std::int64_t context_tokens_max = 6000;  // Numbered sources in one prompt.
};

// How patient the HTTP server is with its clients. `limits.connections_max` is beside it.
struct HttpSettings {
  std::int64_t connections_per_address_max = 0;  // 0: no limit, as behind a proxy.
  std::int64_t header_bytes_max = 32 << 10;
  std::int64_t header_timeout_s = 10;
  std::int64_t idle_timeout_s = 75;
  std::int64_t write_timeout_s = 30;
  std::int64_t bytes_per_second_min = 1024;  // Of a request's body and of a reply that is being read.
  std::int64_t heartbeat_s = 15;             // Of silent event streams; 0: none.
  std::int64_t websocket_message_bytes_max = 1 << 20;
  std::int64_t websocket_ping_s = 20;
};

struct StreamSettings {
  bool enabled = true;
  std::int64_t chunk_size = 1024;
  std::int64_t buffer_size = 8192;
};

struct LogSettings {
  std::string level = "info";
  std::string format = "json";
};

struct TraceSettings {
  std::string otlp_url;
};

struct Configuration {
  ServerSettings server;
  std::vector<ModelSettings> models;
  RoutingSettings routing;
  DegradationSettings degradation;
  EncoderSettings encoder;
  ChunkingSettings chunking;
  RetrievalSettings retrieval;
  CacheSettings cache;
  StoreSettings store;
  LimitSettings limits;
  HttpSettings http;
  StreamSettings stream;
  LogSettings log;
  TraceSettings trace;
};

struct ConfigurationFlags {
  std::string file;      // --config; empty: ./ragtime.toml when it exists, else defaults.
  std::string data_dir;  // Empty: not given. The same for the others.
  std::string listen;
  std::string log_level;
};

struct LoadedConfiguration {
  Configuration settings;
  std::string file;  // The file that was read; empty when there was none.
};

// Errors: invalid_argument with one line that says where and what; not_found when --config names no file.
Result<LoadedConfiguration> load_configuration(const ConfigurationFlags& flags, const Environment& environment);

// Parses TOML text and checks it, without environment overrides. `name` appears in messages.
Result<Configuration> parse_configuration(std::string_view toml, const std::string& name,
                                          const Environment& environment);

// The effective configuration as TOML or JSON text, with secrets masked.
std::string configuration_to_toml(const Configuration& configuration);
std::string configuration_to_json(const Configuration& configuration);

// Settings that are valid and held, but that this version does not act on yet: one sentence each.
std::vector<std::string> settings_without_effect(const Configuration& configuration);

}  // namespace ragtime::server
