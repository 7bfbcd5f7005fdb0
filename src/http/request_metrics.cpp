#include "http/request_metrics.h"

namespace ragtime::http {

RequestMetrics::RequestMetrics(telemetry::Metrics& registry)
    : connections(registry.gauge("ragtime_http_connections", "Open client connections.")),
      in_flight(registry.gauge("ragtime_http_in_flight_requests", "Requests that are being answered.")),
      registry_(registry) {}

void RequestMetrics::finished(std::string_view route, std::string_view method, int status,
                              std::chrono::duration<double> duration) {
  auto& counter = requests_[Key(route, method, status)];
  if (counter == nullptr) {
    counter = &registry_.counter(
        "ragtime_http_requests_total", "Answered requests; status 499 means that the client left first.",
        {{"route", std::string(route)}, {"method", std::string(method)}, {"status", std::to_string(status)}});
  }
  counter->add();
  auto& histogram = durations_[route];
  if (histogram == nullptr) {
    histogram = &registry_.histogram("ragtime_http_request_duration_seconds",
                                     "From the first byte of a request to the end of its reply.",
                                     {{"route", std::string(route)}});
  }
  histogram->observe(duration.count());
}

}  // namespace ragtime::http
