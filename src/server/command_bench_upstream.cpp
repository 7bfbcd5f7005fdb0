#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "load/scripted_upstream.h"
#include "server/commands.h"
#include "server/exit_code.h"
#include "server/stop_signals.h"

namespace ragtime::server {
namespace {

Result<load::UpstreamConfig> upstream_config(const BenchUpstreamOptions& options) {
  load::UpstreamConfig config;
  config.address = options.address;
  config.port = options.port;
  config.models = options.models;
  config.script = options.script;
  config.tokens = options.tokens;
  config.instant = options.instant;
  RAGTIME_TRY(config.engine.ttft, load::Delay::parse(options.ttft));
  RAGTIME_TRY(config.engine.itl, load::Delay::parse(options.itl));
  config.engine.slots = options.slots;
  config.engine.kv_blocks = options.kv_blocks;
  config.engine.queue_max = options.queue_max;
  config.engine.prefill_tokens_per_ms = options.prefill;
  config.engine.slowdown = options.slowdown;
  config.engine.prefix_cache = options.prefix_cache;
  config.engine.seed = options.seed;
  return config;
}

int list_scripts(Invocation& invocation) {
  Table table({"Script", "What happens", "Settings"});
  for (const auto& script : load::all_scripts()) {
    table.row({std::string(script.name), std::string(script.summary), std::string(script.keys)});
  }
  table.print(invocation.out);
  return kExitDone;
}

}  // namespace

int bench_upstream_command(const BenchUpstreamOptions& options, Invocation& invocation) {
  if (options.list) return list_scripts(invocation);
  StopSignals signals;
  auto config = upstream_config(options);
  if (config.has_error()) return fail(invocation, config.error().message, kExitUsage);
  load::ScriptedUpstream upstream(std::move(*config));
  if (auto started = upstream.start(); started.has_error()) {
    return fail(invocation, started.error().message, kExitUsage);
  }
  invocation.out.line(boost::json::serialize(
      boost::json::object{{"url", upstream.url()}, {"port", upstream.port()}, {"pid", ::getpid()}}));
  while (signals.wait_for_hangup()) {
  }
  upstream.stop();
  return kExitDone;
}

}  // namespace ragtime::server
