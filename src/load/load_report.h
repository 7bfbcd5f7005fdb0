// LoadReport: the results of one bench, target by target and round by round: its figures, as JSON, and compared.
//
// Thread safety: values and pure functions.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "load/load_result.h"

namespace ragtime::load {

struct TargetReport {
  std::string name;
  std::string url;
  std::string model;
  std::vector<LoadResult> rounds;

  LoadResult total() const;
};

struct LoadReport {
  std::string started;  // RFC 3339.
  std::string command;  // That makes it again, without keys.
  std::string version;
  boost::json::object settings;  // For people: what the command line said.
  bool has_slo = false;
  std::vector<TargetReport> targets;
};

boost::json::object to_json(const LoadReport& report);
// Errors: invalid_argument for what is no such report.
Result<LoadReport> read_report(std::string_view json);

// A figure of a result that reports show and compare.
struct Figure {
  std::string_view key;      // Stable: "requests_per_second", "ttft_p50".
  std::string_view english;
  std::string_view chinese;
  std::string_view unit;
  bool more_is_better = false;
  bool main = false;  // Shown in the short table.
  std::function<std::optional<double>(const LoadResult&)> value;  // Empty where it does not apply.
};
std::span<const Figure> figures();

// The median of the rounds.
std::optional<double> median_of(const TargetReport& target, const Figure& figure);

struct Comparison {
  const Figure* figure = nullptr;
  double a = 0;  // Medians of the rounds.
  double b = 0;
  double ratio = 0;  // b / a: the median over pairs of rounds.
  double ratio_low = 0;
  double ratio_high = 0;
};

// Every figure that both have. Rounds are paired in their order; of unequal numbers, medians alone are compared.
std::vector<Comparison> compare(const TargetReport& a, const TargetReport& b);

// "3.1", "412", "12.3k"; three significant digits.
std::string short_number(double value);

}  // namespace ragtime::load
