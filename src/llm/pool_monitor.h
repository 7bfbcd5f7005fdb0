// PoolMonitor: watches the endpoints of all pools from one thread: finds them, checks them, polls their load.
//
// It only reports to the pools and never touches what leases count. Endpoints that a source names are applied without
// ending a request; while a source fails, the pool keeps the endpoints it has. Checks and polls run while a pool has
// more than one endpoint, since with one there is nothing to choose.
// Thread safety: watch() before start(); start, stop and destroy from one thread; look_again() and set_fixed() from any.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "async/task_group.h"
#include "http/client.h"
#include "llm/balanced_pool.h"
#include "llm/endpoint_source.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace ragtime::llm {

struct WatchConfig {
  std::chrono::milliseconds check_interval{5'000};  // 0: no active checks.
  std::chrono::milliseconds check_timeout{2'000};
  std::string check_path;                           // Empty: /health, and /v1/models where there is none.
  std::chrono::milliseconds poll_interval{500};     // Of /metrics; 0: none. Jittered by a fifth, like all.
  std::chrono::milliseconds poll_timeout{1'000};
  std::chrono::milliseconds look_interval{10'000};  // For endpoints, at `source`.
  std::vector<EndpointConfig> fixed;                // Beside those of the source.
};

class PoolMonitor {
 public:
  // All outlive the monitor; the last may be null.
  PoolMonitor(http::Client& client, telemetry::Logger& log, telemetry::Metrics* metrics);
  ~PoolMonitor();  // stop()
  PoolMonitor(const PoolMonitor&) = delete;
  PoolMonitor& operator=(const PoolMonitor&) = delete;

  // `pool` outlives the monitor's run. `source` may be null: the endpoints are those that the pool has.
  void watch(BalancedPool& pool, WatchConfig config, std::unique_ptr<EndpointSource> source = nullptr);
  void start();
  // Cancels what runs and returns when it has ended. Idempotent.
  void stop();
  // Asks every source again, now.
  void look_again();
  // The endpoints beside those of the source, from now on; an empty list changes nothing where there is no source.
  void set_fixed(BalancedPool& pool, std::vector<EndpointConfig> endpoints);

 private:
  struct Watched;
  Task<> live();
  Task<> look(Watched& watched);
  Task<> look_once(Watched& watched);
  Task<> check(Watched& watched);
  Task<> poll(Watched& watched);
  // False when the monitor stops.
  Task<bool> pause(std::chrono::milliseconds interval);
  Task<bool> pause_for_look(Watched& watched);

  http::Client& client_;
  telemetry::Logger& log_;
  telemetry::Metrics* metrics_;
  asio::io_context loop_{1};
  std::vector<std::unique_ptr<Watched>> watched_;
  RequestContext life_;
  Random random_;  // Of the jitter; belongs to the thread.
  std::thread thread_;
};

// What one look at an endpoint says. Of an endpoint's base URL, "…/v1" or not.
Task<bool> endpoint_is_up(http::Client& client, const EndpointConfig& endpoint, const std::string& path,
                          RequestContext& context);
std::string server_root(const std::string& url);

}  // namespace ragtime::llm
