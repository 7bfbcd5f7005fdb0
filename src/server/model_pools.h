// ModelPools: the pools of all remote models of the configuration, watched by one thread.
//
// Thread safety: open and destroy from one thread; the pools, parts() and status() may be used from any thread,
// reload() from one at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/thread_pool.h"
#include "llm/balanced_pool.h"
#include "llm/gateway.h"
#include "llm/pool_monitor.h"
#include "llm/remote_call.h"
#include "llm/retry_policy.h"
#include "server/configuration.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::server {

class ModelPools {
 public:
  // All but the configuration outlive the pools. Watching begins at once.
  ModelPools(const Configuration& configuration, http::Client& client, async::ThreadPool& blocking,
             telemetry::Logger& log, telemetry::Metrics& metrics);
  ~ModelPools();
  ModelPools(const ModelPools&) = delete;
  ModelPools& operator=(const ModelPools&) = delete;

  // What a call to the model goes through. Precondition: `model` is a remote model of the configuration.
  llm::RemoteCallParts parts(const std::string& model);
  // The chat models, in the order of the configuration.
  std::vector<llm::GatewayModel> gateway_models(const Configuration& configuration);

  // Takes the listed endpoints of models that are known from `configuration` and asks every source again.
  void reload(const Configuration& configuration);
  std::vector<llm::PoolStatus> status() const;

 private:
  struct Model;
  http::Client& client_;
  std::map<std::string, std::unique_ptr<Model>> models_;
  llm::PoolMonitor monitor_;  // Ends before the pools.
};

}  // namespace ragtime::server
