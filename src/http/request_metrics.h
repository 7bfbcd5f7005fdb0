// RequestMetrics: the server's instruments, looked up once per route, method and status, so that a request takes no
// lock of the registry.
//
// Thread safety: one object per event loop; the instruments behind it are shared.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "telemetry/metrics.h"

namespace ragtime::http {

class RequestMetrics {
 public:
  explicit RequestMetrics(telemetry::Metrics& registry);

  // `route` is the pattern of a route or a fixed word, never what a client sent; so is `method`.
  void finished(std::string_view route, std::string_view method, int status, std::chrono::duration<double> duration);

  telemetry::Gauge& connections;
  telemetry::Gauge& in_flight;

 private:
  using Key = std::tuple<std::string_view, std::string_view, int>;

  telemetry::Metrics& registry_;
  std::map<Key, telemetry::Counter*> requests_;
  std::map<std::string_view, telemetry::Histogram*> durations_;
};

}  // namespace ragtime::http
