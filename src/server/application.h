// Application: the running server: a Runtime with the HTTP surface on top, started in order and stopped in reverse.
//
// Thread safety: start, stop and destroy from one thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "api/service.h"
#include "http/server.h"
#include "server/runtime.h"

namespace ragtime::server {

class Application {
 public:
  // Returns when requests are answered and server.json says so. The error's message is one line for the operator.
  // `log` outlives the application.
  static Result<std::unique_ptr<Application>> start(const Configuration& configuration, telemetry::Logger& log);
  ~Application();  // stop()
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  // Drains: not ready any more, running requests end (within the grace period), the ingest queue stops. Idempotent.
  void stop();

  const std::string& url() const { return url_; }
  Runtime& runtime() { return *runtime_; }

 private:
  Application() = default;
  Result<void> start_http();
  Result<void> log_start();
  std::string status() const;

  std::unique_ptr<Runtime> runtime_;
  std::atomic<bool> ready_ = false;
  std::string url_;
  std::unique_ptr<api::Service> service_;
  std::unique_ptr<http::Server> http_;
  bool stopped_ = false;
};

}  // namespace ragtime::server
