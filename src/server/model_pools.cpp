#include "server/model_pools.h"

#include <utility>

#include "base/check.h"
#include "server/module_settings.h"

namespace ragtime::server {
namespace {

llm::EndpointPoolConfig observed(llm::EndpointPoolConfig config, telemetry::Logger& log, telemetry::Metrics& metrics) {
  config.log = &log;
  config.metrics = &metrics;
  return config;
}

}  // namespace

struct ModelPools::Model {
  Model(const ModelSettings& settings, telemetry::Logger& log, telemetry::Metrics& metrics)
      : pool(observed(pool_config(settings), log, metrics)), quota(static_cast<std::size_t>(settings.retry_budget_percent)) {}

  llm::BalancedPool pool;
  llm::RetryQuota quota;
};

ModelPools::ModelPools(const Configuration& configuration, http::Client& client, async::ThreadPool& blocking,
                       telemetry::Logger& log, telemetry::Metrics& metrics)
    : client_(client), monitor_(client, log, &metrics) {
  for (const ModelSettings& settings : configuration.models) {
    if (!is_remote(settings)) continue;
    auto model = std::make_unique<Model>(settings, log, metrics);
    monitor_.watch(model->pool, watch_config(settings), endpoint_source(settings, blocking));
    models_.emplace(settings.name, std::move(model));
  }
  monitor_.start();
}

ModelPools::~ModelPools() {
  monitor_.stop();
}

llm::RemoteCallParts ModelPools::parts(const std::string& name) {
  const auto found = models_.find(name);
  RAGTIME_CHECK(found != models_.end());
  return {found->second->pool, found->second->quota, client_};
}

std::vector<llm::GatewayModel> ModelPools::gateway_models(const Configuration& configuration) {
  std::vector<llm::GatewayModel> out;
  for (const ModelSettings& settings : configuration.models) {
    if (settings.task != "chat") continue;
    out.push_back(gateway_model(configuration, settings));
    out.back().pool = &models_.at(settings.name)->pool;
  }
  return out;
}

void ModelPools::reload(const Configuration& configuration) {
  for (const ModelSettings& settings : configuration.models) {
    const auto known = models_.find(settings.name);
    if (known == models_.end() || !is_remote(settings)) continue;
    monitor_.set_fixed(known->second->pool, endpoint_configs(settings));
  }
  monitor_.look_again();
}

std::vector<llm::PoolStatus> ModelPools::status() const {
  std::vector<llm::PoolStatus> out;
  for (const auto& [name, model] : models_) out.push_back(model->pool.status());
  return out;
}

}  // namespace ragtime::server
