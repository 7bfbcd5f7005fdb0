#include "telemetry/metrics.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <mutex>

#include <fmt/format.h>

#include "base/check.h"

namespace ragtime::telemetry {

const std::vector<double> kLatencyBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                             0.25,   0.5,   1,      2.5,   5,    10,    30,   60};

namespace {

std::string format_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string escape(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

bool valid_name(std::string_view name, bool colon_allowed) {
  const auto good = [colon_allowed](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c == ':' && colon_allowed);
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::ranges::all_of(name, good);
}

// `{a="1",b="2"}`, or nothing without labels; `extra` is a finished `name="value"`.
std::string format_labels(const Labels& labels, std::string_view extra = {}) {
  std::string out;
  for (const auto& [key, value] : labels) {
    fmt::format_to(std::back_inserter(out), "{}{}=\"{}\"", out.empty() ? "" : ",", key, escape(value, true));
  }
  if (!extra.empty()) {
    if (!out.empty()) out += ',';
    out += extra;
  }
  return out.empty() ? out : "{" + out + "}";
}

class Instrument {
 public:
  virtual ~Instrument() = default;
  virtual void render(std::string& out, std::string_view name, const Labels& labels) const = 0;
};

void render_sample(std::string& out, std::string_view name, const std::string& labels, double value) {
  fmt::format_to(std::back_inserter(out), "{}{} {}\n", name, labels, format_value(value));
}

class AtomicCounter final : public Counter, public Instrument {
 public:
  void add(double amount) override {
    RAGTIME_CHECK(amount >= 0);
    value_.fetch_add(amount, std::memory_order_relaxed);
  }
  double value() const override { return value_.load(std::memory_order_relaxed); }
  void render(std::string& out, std::string_view name, const Labels& labels) const override {
    render_sample(out, name, format_labels(labels), value());
  }

 private:
  std::atomic<double> value_ = 0;
};

class AtomicGauge final : public Gauge, public Instrument {
 public:
  void set(double value) override { value_.store(value, std::memory_order_relaxed); }
  void add(double amount) override { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const override { return value_.load(std::memory_order_relaxed); }
  void render(std::string& out, std::string_view name, const Labels& labels) const override {
    render_sample(out, name, format_labels(labels), value());
  }

 private:
  std::atomic<double> value_ = 0;
};

class AtomicHistogram final : public Histogram, public Instrument {
 public:
  explicit AtomicHistogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
    RAGTIME_CHECK(std::ranges::is_sorted(bounds_));
  }

  void observe(double value) override {
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  double count() const override {
    std::uint64_t total = 0;
    for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
    return static_cast<double>(total);
  }

  // The total is summed from the buckets read here, so that one scrape never contradicts itself.
  void render(std::string& out, std::string_view name, const Labels& labels) const override {
    const std::string bucket_name = fmt::format("{}_bucket", name);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      total += counts_[i].load(std::memory_order_relaxed);
      const std::string bound = i < bounds_.size() ? format_value(bounds_[i]) : "+Inf";
      render_sample(out, bucket_name, format_labels(labels, fmt::format("le=\"{}\"", bound)),
                    static_cast<double>(total));
    }
    render_sample(out, fmt::format("{}_sum", name), format_labels(labels), sum_.load(std::memory_order_relaxed));
    render_sample(out, fmt::format("{}_count", name), format_labels(labels), static_cast<double>(total));
  }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<double> sum_ = 0;
};

struct Family {
  std::string type;
  std::string help;
  std::map<Labels, std::unique_ptr<Instrument>> instruments;
};

}  // namespace

struct Metrics::State {
  // Finds or makes the instrument; `type` is Prometheus' word for it.
  template <class Concrete, class Make>
  Concrete& obtain(std::string_view type, std::string_view name, std::string_view help, Labels labels, Make make) {
    RAGTIME_CHECK(valid_name(name, true));
    for (const auto& label : labels) RAGTIME_CHECK(valid_name(label.first, false) && label.first != "le");
    std::ranges::sort(labels);
    const std::lock_guard lock(mutex);
    auto [family, is_new] = families.try_emplace(std::string(name));
    if (is_new) {
      family->second.type = type;
      family->second.help = help;
    }
    RAGTIME_CHECK(family->second.type == type);
    auto& slot = family->second.instruments[std::move(labels)];
    if (!slot) slot = make();
    return static_cast<Concrete&>(*slot);
  }

  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;  // Guarded by mutex.
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return state_->obtain<AtomicCounter>("counter", name, help, std::move(labels),
                                       [] { return std::make_unique<AtomicCounter>(); });
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  return state_->obtain<AtomicGauge>("gauge", name, help, std::move(labels),
                                     [] { return std::make_unique<AtomicGauge>(); });
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, Labels labels,
                              const std::vector<double>& buckets) {
  return state_->obtain<AtomicHistogram>("histogram", name, help, std::move(labels),
                                         [&buckets] { return std::make_unique<AtomicHistogram>(buckets); });
}

std::string Metrics::render() const {
  const std::lock_guard lock(state_->mutex);
  std::string out;
  for (const auto& [name, family] : state_->families) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name, escape(family.help, false), name,
                   family.type);
    for (const auto& [labels, instrument] : family.instruments) instrument->render(out, name, labels);
  }
  return out;
}

}  // namespace ragtime::telemetry
