#include "load/load_report.h"

#include <algorithm>
#include <cmath>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace ragtime::load {
namespace {

namespace json = boost::json;

using Value = std::function<std::optional<double>(const LoadResult&)>;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Value latency(Measure measure, double share) {
  return [=](const LoadResult& result) -> std::optional<double> {
    if (result[measure].count() == 0) return std::nullopt;
    return share < 0 ? result[measure].mean_ms() : result[measure].percentile_ms(share);
  };
}

std::vector<Figure> make_figures() {
  const auto rate = [](const LoadResult& r) -> std::optional<double> { return r.requests_per_second(); };
  const auto goodput = [](const LoadResult& r) -> std::optional<double> { return r.good_per_second(); };
  const auto tokens = [](const LoadResult& r) -> std::optional<double> {
    return r.output_tokens > 0 ? std::optional(r.tokens_per_second()) : std::nullopt;
  };
  const auto failures = [](const LoadResult& r) -> std::optional<double> {
    const double all = double(r.ok + r.failed);
    return all > 0 ? 100.0 * double(r.failed) / all : 0.0;
  };
  constexpr double kMean = -1;
  return {
      {"requests_per_second", "Requests per second", "每秒请求数", "1/s", true, true, rate},
      {"goodput_per_second", "Goodput within the SLO", "满足 SLO 的有效吞吐", "1/s", true, false, goodput},
      {"output_tokens_per_second", "Output tokens per second", "每秒输出 token 数", "1/s", true, true, tokens},
      {"failed_percent", "Failed requests", "失败请求占比", "%", false, true, failures},
      {"ttft_role_p50", "TTFT at the first chunk, p50", "首个数据块时间 p50", "ms", false, false, latency(Measure::ttft_role, 0.5)},
      {"ttft_role_p99", "TTFT at the first chunk, p99", "首个数据块时间 p99", "ms", false, false, latency(Measure::ttft_role, 0.99)},
      {"ttft_mean", "TTFT, mean", "首 token 时间 平均", "ms", false, false, latency(Measure::ttft, kMean)},
      {"ttft_p50", "TTFT, p50", "首 token 时间 p50", "ms", false, true, latency(Measure::ttft, 0.5)},
      {"ttft_p90", "TTFT, p90", "首 token 时间 p90", "ms", false, false, latency(Measure::ttft, 0.9)},
      {"ttft_p99", "TTFT, p99", "首 token 时间 p99", "ms", false, true, latency(Measure::ttft, 0.99)},
      {"itl_mean", "ITL, mean", "token 间隔 平均", "ms", false, false, latency(Measure::itl, kMean)},
      {"itl_p50", "ITL, p50", "token 间隔 p50", "ms", false, true, latency(Measure::itl, 0.5)},
      {"itl_p90", "ITL, p90", "token 间隔 p90", "ms", false, false, latency(Measure::itl, 0.9)},
      {"itl_p99", "ITL, p99", "token 间隔 p99", "ms", false, true, latency(Measure::itl, 0.99)},
      {"tpot_mean", "TPOT, mean", "每 token 时间 平均", "ms", false, false, latency(Measure::tpot, kMean)},
      {"tpot_p50", "TPOT, p50", "每 token 时间 p50", "ms", false, false, latency(Measure::tpot, 0.5)},
      {"tpot_p90", "TPOT, p90", "每 token 时间 p90", "ms", false, false, latency(Measure::tpot, 0.9)},
      {"tpot_p99", "TPOT, p99", "每 token 时间 p99", "ms", false, false, latency(Measure::tpot, 0.99)},
      {"e2e_mean", "Whole answer, mean", "完整回答 平均", "ms", false, false, latency(Measure::e2e, kMean)},
      {"e2e_p50", "Whole answer, p50", "完整回答 p50", "ms", false, true, latency(Measure::e2e, 0.5)},
      {"e2e_p90", "Whole answer, p90", "完整回答 p90", "ms", false, false, latency(Measure::e2e, 0.9)},
      {"e2e_p99", "Whole answer, p99", "完整回答 p99", "ms", false, true, latency(Measure::e2e, 0.99)},
      {"send_delay_p99", "Generator late by, p99", "压测端发送延迟 p99", "ms", false, false, latency(Measure::send_delay, 0.99)},
  };
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<TargetReport> target_from(const json::value& value) {
  const auto bad = make_error(ErrorCode::invalid_argument, "not a report of `ragtime bench`");
  const auto* object = value.if_object();
  const auto* rounds = object != nullptr ? object->if_contains("rounds") : nullptr;
  if (rounds == nullptr || !rounds->is_array() || rounds->get_array().empty()) return bad;
  TargetReport out{text_of(*object, "name"), text_of(*object, "url"), text_of(*object, "model"), {}};
  for (const auto& round : rounds->get_array()) {
    if (!round.is_object()) return bad;
    RAGTIME_TRY(auto result, load_result_from_json(round.get_object()));
    out.rounds.push_back(std::move(result));
  }
  return out;
}

}  // namespace

LoadResult TargetReport::total() const {
  LoadResult out;
  for (const auto& round : rounds) out.merge(round);
  return out;
}

std::span<const Figure> figures() {
  static const std::vector<Figure> kFigures = make_figures();
  return kFigures;
}

std::optional<double> median_of(const TargetReport& target, const Figure& figure) {
  std::vector<double> values;
  for (const auto& round : target.rounds) {
    if (const auto value = figure.value(round)) values.push_back(*value);
  }
  if (values.empty()) return std::nullopt;
  return median(std::move(values));
}

json::object to_json(const LoadReport& report) {
  json::array targets;
  for (const auto& target : report.targets) {
    json::array rounds;
    for (const auto& round : target.rounds) rounds.emplace_back(to_json(round));
    json::object medians;
    for (const auto& figure : figures()) {
      if (const auto value = median_of(target, figure)) medians[figure.key] = *value;
    }
    targets.push_back(json::object{{"name", target.name},
                                   {"url", target.url},
                                   {"model", target.model},
                                   {"medians", std::move(medians)},
                                   {"rounds", std::move(rounds)}});
  }
  return {{"ragtime_bench", 1},
          {"started", report.started},
          {"version", report.version},
          {"command", report.command},
          {"settings", report.settings},
          {"has_slo", report.has_slo},
          {"targets", std::move(targets)}};
}

Result<LoadReport> read_report(std::string_view text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* targets = object != nullptr ? object->if_contains("targets") : nullptr;
  if (targets == nullptr || !targets->is_array() || targets->get_array().empty()) {
    return make_error(ErrorCode::invalid_argument, "not a report of `ragtime bench`");
  }
  LoadReport out;
  out.started = text_of(*object, "started");
  out.command = text_of(*object, "command");
  out.version = text_of(*object, "version");
  if (const auto* settings = object->if_contains("settings"); settings != nullptr && settings->is_object()) {
    out.settings = settings->get_object();
  }
  const auto* slo = object->if_contains("has_slo");
  out.has_slo = slo != nullptr && slo->is_bool() && slo->get_bool();
  for (const auto& target : targets->get_array()) {
    RAGTIME_TRY(auto read, target_from(target));
    out.targets.push_back(std::move(read));
  }
  return out;
}

std::vector<Comparison> compare(const TargetReport& a, const TargetReport& b) {
  std::vector<Comparison> out;
  for (const auto& figure : figures()) {
    const auto left = median_of(a, figure);
    const auto right = median_of(b, figure);
    if (!left || !right) continue;
    std::vector<double> ratios;
    for (std::size_t i = 0; a.rounds.size() == b.rounds.size() && i < a.rounds.size(); ++i) {
      const auto x = figure.value(a.rounds[i]);
      const auto y = figure.value(b.rounds[i]);
      if (x && y && *x > 0) ratios.push_back(*y / *x);
    }
    if (ratios.empty() && *left > 0) ratios.push_back(*right / *left);
    Comparison row{&figure, *left, *right, 0, 0, 0};
    if (!ratios.empty()) {
      row.ratio = median(ratios);
      row.ratio_low = *std::min_element(ratios.begin(), ratios.end());
      row.ratio_high = *std::max_element(ratios.begin(), ratios.end());
    }
    out.push_back(row);
  }
  return out;
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.2f}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.1f}k", value / 1e3);
  if (size >= 100) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  if (size >= 1 || size == 0) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3f}", value);
}

}  // namespace ragtime::load
