#include "server/runtime.h"

#include <fmt/format.h>

#include "encoder/text_encoder.h"
#include "llm/openai_model.h"
#include "server/encoder_lookup.h"
#include "server/module_settings.h"

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
  RAGTIME_TRY_DONE(runtime->open_encoder());
  RAGTIME_TRY_DONE(runtime->open_engine());
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
  RAGTIME_TRY(const EncoderLookup found, find_encoder(configuration.encoder, data_directory.models()));
  encoder_notice = found.notice;
  if (!found.directory) return {};
  RAGTIME_TRY(embedder, encoder::open_embedder(*found.directory, found.name, *compute));
  return {};
}

Result<void> Runtime::open_engine() {
  parser = documents::Parser::create(parser_config(configuration), *parsing);
  RAGTIME_TRY(engine,
              engine::Engine::open(engine_config(configuration), *database, embedder.get(), *compute, *blocking));
  client = std::make_unique<http::Client>(client_config(configuration));
  std::vector<std::unique_ptr<llm::ChatModel>> models;
  for (auto& model : chat_model_configs(configuration)) {
    models.push_back(llm::make_openai_model(std::move(model), *client));
  }
  answerer = rag::Answerer::create(answerer_config(configuration), *engine, std::move(models), *compute);
  ingestor = rag::Ingestor::create(ingestor_config(configuration), *database, *blobs, *parser, *engine, *blocking,
                                   clock, log, metrics);
  return {};
}

}  // namespace ragtime::server
