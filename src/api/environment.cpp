#include "api/environment.h"

namespace ragtime::api {

Environment::Environment(ServiceConfig service_config, ServiceDependencies dependencies)
    : ServiceDependencies(std::move(dependencies)),
      config(std::move(service_config)),
      started_at(clock.unix_seconds()),
      blob_claims(database, blobs),
      limiter(config.limits, metrics) {}

void Environment::observe_stages(RequestContext& context) {
  for (const StageTimings::Stage& stage : context.timings().snapshot()) {
    metrics.histogram("ragtime_stage_seconds", "Time that requests spent in each stage.", {{"stage", stage.name}})
        .observe(stage.milliseconds / 1000);
  }
}

}  // namespace ragtime::api
