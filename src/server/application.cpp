#include "server/application.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/id.h"
#include "server/configuration_fields.h"
#include "server/doctor.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

constexpr std::size_t kLocalTokenChars = 40;

Result<void> check_reachable(const ServerSettings& server, storage::Database& database) {
  if (!server.tls_cert.empty()) {
    return make_error(ErrorCode::unsupported,
                      "server.tls_cert: this version does not speak TLS itself; put a proxy in front and set "
                      "behind_proxy = true",
                      "server.tls_cert");
  }
  RAGTIME_TRY(const ListenAddress listen, parse_listen(server.listen));
  if (listen.loopback) return {};
  if (!server.behind_proxy) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("server.listen: {} can be reached from other machines, which needs encryption: put a "
                                  "TLS proxy in front and set behind_proxy = true, or listen on 127.0.0.1",
                                  server.listen),
                      "server.listen");
  }
  RAGTIME_TRY(const bool any_key, database.any_key());
  if (any_key) return {};
  return make_error(ErrorCode::invalid_argument,
                    fmt::format("server.listen: {} can be reached from other machines, which needs a key: "
                                "`ragtime key create --name NAME` first, or listen on 127.0.0.1",
                                server.listen),
                    "server.listen");
}

std::string url_of(const std::string& address, std::uint16_t port) {
  // A wildcard is an address to listen on, not one to connect to.
  if (address == "0.0.0.0") return fmt::format("http://127.0.0.1:{}", port);
  if (address == "::") return fmt::format("http://[::1]:{}", port);
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(v6 ? "http://[{}]:{}" : "http://{}:{}"), address, port);
}

}  // namespace

Result<std::unique_ptr<Application>> Application::start(const Configuration& configuration, telemetry::Logger& log) {
  std::unique_ptr<Application> application(new Application);
  RAGTIME_TRY(application->runtime_, Runtime::open(configuration, log));
  Runtime& runtime = *application->runtime_;
  RAGTIME_TRY_DONE(check_reachable(configuration.server, *runtime.database));
  RAGTIME_TRY_DONE(runtime.ingestor->start());
  RAGTIME_TRY_DONE(application->start_http());
  return application;
}

Application::~Application() {
  stop();
}

Result<void> Application::start_http() {
  Runtime& runtime = *runtime_;
  api::ServiceConfig config = service_config(runtime.configuration);
  config.local_token = random_alphanumeric(kLocalTokenChars);
  const std::string token = config.local_token;
  api::ServiceDependencies dependencies{*runtime.database,
                                        *runtime.blobs,
                                        *runtime.engine,
                                        runtime.embedder.get(),
                                        *runtime.answerer,
                                        *runtime.ingestor,
                                        *runtime.blocking,
                                        runtime.clock,
                                        runtime.log,
                                        runtime.metrics,
                                        [this] { return ready_.load(); },
                                        [this] { return status(); }};
  for (const auto& embedder : runtime.embedders) dependencies.embedders.push_back(embedder.get());
  for (const auto& reranker : runtime.rerankers) dependencies.rerankers.push_back(reranker.get());
  dependencies.gateway = runtime.gateway.get();
  service_ = std::make_unique<api::Service>(std::move(config), std::move(dependencies));
  const http::ServerConfig http = http_config(runtime.configuration);
  http_ = std::make_unique<http::Server>(http, service_->router(), service_->hooks(), runtime.log, runtime.metrics);
  RAGTIME_TRY_DONE(http_->start());
  url_ = url_of(http.address, http_->port());
  ready_ = true;
  RAGTIME_TRY_DONE(runtime.data_directory.announce({url_, ::getpid(), token}));
  return log_start();
}

// Last, so that a start that fails says one line only.
Result<void> Application::log_start() {
  Runtime& runtime = *runtime_;
  RAGTIME_TRY(const bool any_key, runtime.database->any_key());
  const std::string model = runtime.embedder ? runtime.embedder->info().model : "";
  for (const auto& sentence : settings_without_effect(runtime.configuration)) {
    runtime.log.warning("setting_without_effect", {{"setting", std::string_view(sentence)}});
  }
  if (!runtime.encoder_notice.empty()) {
    runtime.log.warning("lexical_only", {{"reason", std::string_view(runtime.encoder_notice)}});
  }
  runtime.log.info("started",
                   {{"url", std::string_view(url_)},
                    {"data_dir", std::string_view(runtime.data_directory.path().native())},
                    {"access", any_key ? std::string_view("keys") : std::string_view("loopback only, no key")},
                    {"encoder", std::string_view(model)},
                    {"chunks", static_cast<std::int64_t>(runtime.engine->statistics().chunks)}});
  return {};
}

void Application::stop() {
  if (std::exchange(stopped_, true) || !runtime_) return;
  const bool was_ready = ready_.exchange(false);
  if (was_ready) runtime_->log.info("draining");
  runtime_->data_directory.withdraw();
  if (http_) http_->drain();
  if (runtime_->ingestor) runtime_->ingestor->stop();
  if (http_) http_->stop();
  http_.reset();
  service_.reset();
  if (was_ready) runtime_->log.info("stopped");
}

std::string Application::status() const {
  return report_json(examine(*runtime_));
}

}  // namespace ragtime::server
