#include "load/load_result.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace ragtime::load {
namespace {

namespace json = boost::json;

constexpr std::size_t kErrorSamplesMax = 5;
constexpr std::array<std::string_view, kMeasures> kNames = {"ttft_role", "ttft",    "itl",       "tpot",
                                                            "e2e",       "refusal", "send_delay"};

json::object to_json(const LatencyHistogram& histogram) {
  json::array buckets;
  for (const auto& [ms, count] : histogram.buckets()) buckets.push_back(json::array{ms, count});
  return {{"count", histogram.count()},          {"mean", histogram.mean_ms()},
          {"min", histogram.min_ms()},           {"p50", histogram.percentile_ms(0.5)},
          {"p90", histogram.percentile_ms(0.9)}, {"p99", histogram.percentile_ms(0.99)},
          {"p999", histogram.percentile_ms(0.999)}, {"max", histogram.max_ms()},
          {"buckets", std::move(buckets)}};
}

std::uint64_t count_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  boost::system::error_code error;
  const auto out = value != nullptr ? value->to_number<std::uint64_t>(error) : 0;
  return error ? 0 : out;
}

double number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}

LatencyHistogram histogram_from(const json::object& object) {
  std::vector<std::pair<double, std::uint64_t>> buckets;
  if (const auto* list = object.if_contains("buckets"); list != nullptr && list->is_array()) {
    for (const auto& item : list->get_array()) {
      if (!item.is_array() || item.get_array().size() != 2 || !item.at(0).is_number() || !item.at(1).is_int64()) continue;
      buckets.emplace_back(item.at(0).to_number<double>(), static_cast<std::uint64_t>(item.at(1).get_int64()));
    }
  }
  return LatencyHistogram::from_buckets(buckets);
}

}  // namespace

std::string_view name(Measure measure) {
  return kNames[std::size_t(measure)];
}

void LoadResult::fail(const std::string& kind, const std::string& sample) {
  ++failed;
  ++errors[kind];
  if (error_samples.size() < kErrorSamplesMax) error_samples.push_back(kind + (sample.empty() ? "" : ": " + sample));
}

void LoadResult::merge(const LoadResult& other) {
  ok += other.ok;
  failed += other.failed;
  good += other.good;
  output_tokens += other.output_tokens;
  bytes += other.bytes;
  work.ok += other.work.ok;
  work.good += other.work.good;
  work.tokens += other.work.tokens;
  work.seconds += other.work.seconds;
  for (const auto& [kind, count] : other.errors) errors[kind] += count;
  for (const auto& sample : other.error_samples) {
    if (error_samples.size() < kErrorSamplesMax) error_samples.push_back(sample);
  }
  for (std::size_t i = 0; i < kMeasures; ++i) latencies[i].merge(other.latencies[i]);
  timeline.insert(timeline.end(), other.timeline.begin(), other.timeline.end());
}

json::object to_json(const LoadResult& result) {
  json::object errors;
  for (const auto& [kind, count] : result.errors) errors[kind] = count;
  json::array samples;
  for (const auto& sample : result.error_samples) samples.emplace_back(sample);
  json::object latencies;
  for (std::size_t i = 0; i < kMeasures; ++i) {
    if (result.latencies[i].count() > 0) latencies[kNames[i]] = to_json(result.latencies[i]);
  }
  json::array timeline;
  for (const auto& second : result.timeline) {
    timeline.push_back(json::object{{"started", second.started},
                                    {"ok", second.ok},
                                    {"failed", second.failed},
                                    {"tokens", second.tokens},
                                    {"ttft_ms", second.ok > 0 ? second.ttft_ms_sum / double(second.ok) : 0.0}});
  }
  return {{"ok", result.ok},
          {"failed", result.failed},
          {"good", result.good},
          {"completed", json::object{{"ok", result.work.ok},
                                     {"good", result.work.good},
                                     {"tokens", result.work.tokens},
                                     {"seconds", result.work.seconds}}},
          {"requests_per_second", result.requests_per_second()},
          {"goodput_per_second", result.good_per_second()},
          {"output_tokens", result.output_tokens},
          {"output_tokens_per_second", result.tokens_per_second()},
          {"bytes", result.bytes},
          {"errors", std::move(errors)},
          {"error_samples", std::move(samples)},
          {"latency_ms", std::move(latencies)},
          {"timeline", std::move(timeline)}};
}

Result<LoadResult> load_result_from_json(const json::object& object) {
  const auto* latencies = object.if_contains("latency_ms");
  if (!object.contains("ok") || latencies == nullptr || !latencies->is_object()) {
    return make_error(ErrorCode::invalid_argument, "not a result of `ragtime bench`");
  }
  LoadResult out;
  out.ok = count_of(object, "ok");
  out.failed = count_of(object, "failed");
  out.good = count_of(object, "good");
  out.output_tokens = count_of(object, "output_tokens");
  out.bytes = count_of(object, "bytes");
  if (const auto* work = object.if_contains("completed"); work != nullptr && work->is_object()) {
    const auto& done = work->get_object();
    out.work = {count_of(done, "ok"), count_of(done, "good"), count_of(done, "tokens"), number_of(done, "seconds")};
  }
  if (const auto* errors = object.if_contains("errors"); errors != nullptr && errors->is_object()) {
    for (const auto& item : errors->get_object()) out.errors[item.key()] = count_of(errors->get_object(), item.key());
  }
  for (std::size_t i = 0; i < kMeasures; ++i) {
    const auto* histogram = latencies->get_object().if_contains(kNames[i]);
    if (histogram != nullptr && histogram->is_object()) out.latencies[i] = histogram_from(histogram->get_object());
  }
  if (const auto* timeline = object.if_contains("timeline"); timeline != nullptr && timeline->is_array()) {
    for (const auto& item : timeline->get_array()) {
      if (!item.is_object()) continue;
      const auto& second = item.get_object();
      TimelineSecond row{count_of(second, "started"), count_of(second, "ok"), count_of(second, "failed"),
                         count_of(second, "tokens"), 0};
      row.ttft_ms_sum = number_of(second, "ttft_ms") * double(row.ok);
      out.timeline.push_back(row);
    }
  }
  return out;
}

}  // namespace ragtime::load
