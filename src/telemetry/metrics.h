// Metrics: counters, gauges and histograms with labels, rendered in Prometheus' text format (0.0.4).
//
// Instruments are created once (usually in a constructor) and kept by reference; updating one takes no lock.
// Thread safety: every member may be called from any thread. Instruments live as long as their registry.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ragtime::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
  virtual double value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
  virtual double value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
  virtual double count() const = 0;
};

// Seconds, 0.5 ms to 60 s.
extern const std::vector<double> kLatencyBuckets;

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name and labels give the same instrument. Names follow Prometheus' conventions (`ragtime_…_total`,
  // `…_seconds`); the help text of the first call is kept.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {},
                       const std::vector<double>& buckets = kLatencyBuckets);

  std::string render() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::telemetry
