#include "server/runtime.h"

#include <fmt/format.h>

#include "encoder/text_encoder.h"
#include "engine/embedding_reranker.h"
#include "llm/gateway_chat_model.h"
#include "server/encoder_lookup.h"
#include "server/module_settings.h"
#include "server/user_words_file.h"

namespace ragtime::server {
namespace {

Result<void> check_supported(const Configuration& configuration) {
  if (!configuration.store.url.starts_with("sqlite:")) {
    return make_error(ErrorCode::unsupported, "store.url: this version stores in SQLite only (url = \"sqlite:\")",
                      "store.url");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::open(Configuration configuration, telemetry::Logger& log) {
  RAGTIME_TRY_DONE(check_supported(configuration));
  RAGTIME_TRY(auto directory, DataDirectory::open(configuration.server.data_dir));
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(configuration), log, std::move(directory)));
  RAGTIME_TRY_DONE(runtime->open_storage());
  runtime->client = std::make_unique<http::Client>(client_config(runtime->configuration));
  RAGTIME_TRY_DONE(runtime->open_encoder());
  RAGTIME_TRY_DONE(runtime->open_rerankers());
  runtime->open_gateway();
  RAGTIME_TRY_DONE(runtime->open_engine());
  RAGTIME_TRY_DONE(runtime->load_user_words());
  return runtime;
}

Runtime::Runtime(Configuration settings, telemetry::Logger& logger, DataDirectory directory)
    : configuration(std::move(settings)), log(logger), data_directory(std::move(directory)) {
  compute = std::make_unique<async::ThreadPool>(compute_pool_config(configuration));
  blocking = std::make_unique<async::ThreadPool>(blocking_pool_config(configuration));
  parsing = std::make_unique<async::ThreadPool>(parsing_pool_config(configuration));
}

Runtime::~Runtime() {
  if (ingestor) ingestor->stop();
}

Result<void> Runtime::open_storage() {
  RAGTIME_TRY(database, storage::open_sqlite(data_directory.database_file()));
  RAGTIME_TRY(blobs, storage::open_directory_blobs(data_directory.files()));
  return {};
}

Result<void> Runtime::open_encoder() {
  for (auto& config : embedder_configs(configuration)) {
    const bool of_engine = config.endpoint.name == configuration.encoder.model;
    if (of_engine) encoder_fingerprint = fmt::format("{} {}", config.endpoint.url, config.endpoint.model);
    auto remote = llm::make_remote_embedder(std::move(config), *client);
    if (of_engine) {
      embedder = std::move(remote);
    } else {
      embedders.push_back(std::move(remote));
    }
  }
  if (embedder) return {};
  return open_local_encoder();
}

encoder::EncoderConfig Runtime::encoder_config() {
  encoder::EncoderConfig out;
  out.precision = encoder::parse_precision(configuration.encoder.precision).value_or(out.precision);
  out.metrics = &metrics;
  return out;
}

Result<void> Runtime::open_local_encoder() {
  RAGTIME_TRY(const EncoderLookup found, find_encoder(configuration.encoder, data_directory.models()));
  encoder_notice = found.notice;
  if (!found.directory) return {};
  const auto config = encoder_config();
  RAGTIME_TRY(encoder_fingerprint, server::encoder_fingerprint(*found.directory, config.precision));
  RAGTIME_TRY(embedder, encoder::open_embedder(*found.directory, found.name, *compute, config));
  return {};
}

Result<void> Runtime::open_rerankers() {
  for (auto& config : reranker_configs(configuration)) {
    rerankers.push_back(llm::make_remote_reranker(std::move(config), *client));
  }
  for (const auto& model : configuration.models) {
    if (model.directory.empty()) continue;
    RAGTIME_TRY(const auto directory, find_model(model.directory, data_directory.models()));
    RAGTIME_TRY(auto reranker, encoder::open_reranker(directory, model.name, *compute, encoder_config()));
    rerankers.push_back(std::move(reranker));
  }
  if (embedder) rerankers.push_back(engine::make_embedding_reranker(*embedder));
  return {};
}

void Runtime::open_gateway() {
  std::vector<llm::GatewayModel> models = gateway_models(configuration);
  for (auto& config : chat_pool_configs(configuration)) {
    config.metrics = &metrics;
    config.log = &log;
    chat_pools.push_back(std::make_unique<llm::BalancedPool>(std::move(config)));
    models[chat_pools.size() - 1].pool = chat_pools.back().get();
  }
  gateway = llm::make_gateway(std::move(models), *client, metrics);
}

Result<void> Runtime::open_engine() {
  parser = documents::Parser::create(parser_config(configuration), *parsing);
  engine::EngineConfig config = engine_config(configuration);
  config.embedding_cache.fingerprint = encoder_fingerprint;
  for (const auto& reranker : rerankers) {
    if (reranker->info().model == configuration.retrieval.rerank_model) config.rerank.model = reranker.get();
  }
  config.index.directory = data_directory.index();
  RAGTIME_TRY(engine,
              engine::Engine::open(std::move(config), *database, embedder.get(), *compute, *blocking, &metrics, &log));
  std::vector<std::unique_ptr<llm::ChatModel>> models;
  for (const auto& pool : chat_pools) models.push_back(llm::make_gateway_chat_model(pool->model(), *gateway));
  rag::AnswererConfig answering = answerer_config(configuration);
  answering.embedder = embedder.get();
  answerer = rag::Answerer::create(std::move(answering), *engine, std::move(models), *compute);
  ingestor = rag::Ingestor::create(ingestor_config(configuration), *database, *blobs, *parser, *engine, *blocking,
                                   clock, log, metrics);
  return {};
}

Result<std::size_t> Runtime::load_user_words() {
  if (configuration.retrieval.user_words.empty()) return 0;
  RAGTIME_TRY(auto words, read_user_words(configuration.retrieval.user_words));
  const std::size_t count = words->size();
  engine->set_user_words(std::move(words));
  return count;
}

void Runtime::reload_user_words() {
  const auto loaded = load_user_words();
  if (loaded.has_error()) {
    log.warning("user_words_not_reloaded", {{"message", std::string_view(loaded.error().message)}});
  } else {
    log.info("user_words_reloaded", {{"words", static_cast<std::int64_t>(*loaded)}});
  }
}

}  // namespace ragtime::server
