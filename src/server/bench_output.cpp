#include <fmt/format.h>

#include "server/bench_command.h"

namespace ragtime::server {
namespace {

using load::Measure;

constexpr double kLateMs = 5;

const load::Figure& figure(std::string_view key) {
  for (const auto& one : load::figures()) {
    if (one.key == key) return one;
  }
  return load::figures().front();
}

std::string cell(const std::optional<double>& value) {
  return value ? load::short_number(*value) : "–";
}

void print_rates(const load::LoadReport& report, Terminal& out) {
  std::vector<std::string> header = {"", "Requests/s", "Tokens/s"};
  if (report.has_slo) header.emplace_back("Goodput/s");
  for (const auto* title : {"Answered", "Failed"}) header.emplace_back(title);
  Table table(header);
  for (const auto& target : report.targets) {
    const auto total = target.total();
    std::vector<std::string> cells = {target.name, cell(median_of(target, figure("requests_per_second"))),
                                      cell(median_of(target, figure("output_tokens_per_second")))};
    if (report.has_slo) cells.push_back(cell(median_of(target, figure("goodput_per_second"))));
    cells.push_back(format_count(total.ok));
    cells.push_back(format_count(total.failed));
    table.row(std::move(cells));
  }
  table.print(out);
}

void print_latencies(const load::LoadReport& report, Terminal& out) {
  constexpr std::pair<Measure, std::string_view> kRows[] = {{Measure::ttft_role, "first chunk"},
                                                            {Measure::ttft, "first token (TTFT)"},
                                                            {Measure::itl, "between tokens (ITL)"},
                                                            {Measure::tpot, "per token (TPOT)"},
                                                            {Measure::e2e, "whole answer"}};
  Table table({"Milliseconds", "", "mean", "p50", "p90", "p99", "max"});
  for (const auto& [measure, title] : kRows) {
    for (const auto& target : report.targets) {
      const auto total = target.total();
      const auto& histogram = total[measure];
      if (histogram.count() == 0) continue;
      std::vector<std::string> cells = {std::string(title), report.targets.size() > 1 ? target.name : ""};
      for (const double value : {histogram.mean_ms(), histogram.percentile_ms(0.5), histogram.percentile_ms(0.9),
                                 histogram.percentile_ms(0.99), histogram.max_ms()}) {
        cells.push_back(load::short_number(value));
      }
      table.row(std::move(cells));
    }
  }
  if (table.empty()) return;
  out.line();
  table.print(out);
}

void print_failures(const load::LoadReport& report, Terminal& out) {
  for (const auto& target : report.targets) {
    const auto total = target.total();
    if (total.failed == 0) continue;
    std::string kinds;
    for (const auto& [kind, count] : total.errors) {
      kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", format_count(count), kind);
    }
    out.line();
    out.line(out.styled(Style::red, "failed ") + target.name + ": " + kinds);
    for (const auto& sample : total.error_samples) out.line(out.styled(Style::dim, "  " + sample));
  }
}

void print_lateness(const load::LoadReport& report, Terminal& out) {
  for (const auto& target : report.targets) {
    const auto total = target.total();
    const double late = total[Measure::send_delay].percentile_ms(0.99);
    if (late < kLateMs) continue;
    out.line();
    out.line(out.styled(Style::yellow, "note: ") +
             fmt::format("requests to {} were sent up to {} ms late (p99): this machine could not send faster, and the "
                         "latencies contain that wait",
                         target.name, load::short_number(late)));
  }
}

}  // namespace

void print_report(const load::LoadReport& report, Terminal& out) {
  print_rates(report, out);
  print_latencies(report, out);
  print_failures(report, out);
  print_lateness(report, out);
}

void print_comparison(const load::TargetReport& a, const load::TargetReport& b, Terminal& out) {
  out.line();
  Table table({"Beside " + a.name, a.name, b.name, "ratio", "lowest", "highest"});
  double rate_ratio = 0;
  double rate_low = 0;
  double rate_high = 0;
  for (const auto& row : load::compare(a, b)) {
    if (row.figure->key == "requests_per_second") {
      rate_ratio = row.ratio;
      rate_low = row.ratio_low;
      rate_high = row.ratio_high;
    }
    if (!row.figure->main) continue;
    std::vector<std::string> cells = {std::string(row.figure->english), load::short_number(row.a),
                                      load::short_number(row.b)};
    for (const double value : {row.ratio, row.ratio_low, row.ratio_high}) {
      cells.push_back(row.ratio > 0 ? fmt::format("{:.2f}", value) : "–");
    }
    table.row(std::move(cells));
  }
  table.print(out);
  if (rate_ratio <= 0) return;
  out.line();
  const std::string spread = fmt::format("({:.2f} … {:.2f} over {} rounds)", rate_low, rate_high, a.rounds.size());
  if (rate_low > 1.02 || rate_high < 0.98) {
    out.line(out.styled(Style::bold, fmt::format("{} answers {:.2f} times as many requests per second as {}", b.name,
                                                 rate_ratio, a.name)) +
             " " + spread);
  } else {
    out.line(out.styled(Style::bold, "No difference in requests per second that these rounds could show") + " " + spread);
  }
}

}  // namespace ragtime::server
