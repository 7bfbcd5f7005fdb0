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
  runtime->client = std::make_unique<http::Client>(client_config(runtime->configuration), &runtime->metrics);
  runtime->pools = std::make_unique<ModelPools>(runtime->configuration, *runtime->client, *runtime->blocking, log,
                                                runtime->metrics);
  runtime->gateway =
      llm::make_gateway(runtime->pools->gateway_models(runtime->configuration), *runtime->client, runtime->metrics);
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
  for (const ModelSettings& model : configuration.models) {
    if (model.task != "embedding") continue;
    auto remote = llm::make_remote_embedder(embedder_config(model), pools->parts(model.name));
    if (model.name == configuration.encoder.model) {
      encoder_fingerprint = embedder_fingerprint(model);
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
  for (const ModelSettings& model : configuration.models) {
    if (model.task != "rerank" || !is_remote(model)) continue;
    rerankers.push_back(llm::make_remote_reranker(reranker_config(model), pools->parts(model.name)));
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

Result<engine::EngineModels> Runtime::open_models() {
  RAGTIME_TRY_DONE(open_encoder());
  RAGTIME_TRY_DONE(open_rerankers());
  engine::EngineModels models{.embedder = embedder.get(), .fingerprint = encoder_fingerprint};
  for (const auto& reranker : rerankers) {
    if (reranker->info().model == configuration.retrieval.rerank_model) models.reranker = reranker.get();
  }
  return models;
}

// Models and indexes beside each other: a start takes as long as the slower of them.
Result<void> Runtime::open_engine() {
  parser = documents::Parser::create(parser_config(configuration), *parsing);
  engine::EngineConfig config = engine_config(configuration);
  config.index.directory = data_directory.index();
  const auto open = [this] { return open_models(); };
  RAGTIME_TRY(engine, engine::Engine::open(std::move(config), *database, open, *compute, *blocking, &metrics, &log));
  std::vector<std::unique_ptr<llm::ChatModel>> models;
  for (const ModelSettings& model : configuration.models) {
    if (model.task == "chat") models.push_back(llm::make_gateway_chat_model(model.name, *gateway));
  }
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

void Runtime::reload_endpoints(const std::string& file) {
  if (file.empty()) return pools->reload(configuration);
  const auto loaded = load_configuration({.file = file}, process_environment());
  if (loaded.has_error()) {
    log.warning("endpoints_not_reloaded", {{"message", std::string_view(loaded.error().message)}});
    return;
  }
  pools->reload(loaded->settings);
  log.info("endpoints_reloaded", {{"file", std::string_view(file)}});
}

}  // namespace ragtime::server
