#include "server/ingest_summary.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "server/json_text.h"

namespace ragtime::server {
namespace {

// More lines than this help nobody; --json has them all.
constexpr std::size_t kMissingShownMax = 10;

double per_second(double amount, std::chrono::milliseconds elapsed) {
  return amount * 1000 / static_cast<double>(std::max<std::int64_t>(elapsed.count(), 1));
}

std::string describe_skipped(const IngestSummary& summary) {
  std::string out;
  for (const auto& [reason, count] : summary.skipped_by_reason()) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", format_count(count), reason);
  }
  return out;
}

void print_failures(const IngestSummary& summary, Terminal& out) {
  for (const auto& failed : summary.failed) {
    out.line(fmt::format("{} {}: {}", out.styled(Style::red, "failed"), failed.path, failed.reason));
  }
}

void print_missing(const IngestSummary& summary, Terminal& out) {
  if (summary.missing.empty()) return;
  out.line(fmt::format("{} in the store no longer {} on disk; --prune removes {}:",
                       summary.missing.size() == 1 ? "1 document" : format_count(summary.missing.size()) + " documents",
                       summary.missing.size() == 1 ? "exists" : "exist", summary.missing.size() == 1 ? "it" : "them"));
  for (std::size_t i = 0; i < std::min(summary.missing.size(), kMissingShownMax); ++i) {
    out.line("  " + summary.missing[i]);
  }
  if (summary.missing.size() > kMissingShownMax) {
    out.line(fmt::format("  and {} more", summary.missing.size() - kMissingShownMax));
  }
}

}  // namespace

std::map<std::string, std::size_t> IngestSummary::skipped_by_reason() const {
  std::map<std::string, std::size_t> out;
  for (const auto& file : skipped) ++out[std::string(describe(file.reason))];
  return out;
}

void print_summary(const IngestSummary& summary, Terminal& out) {
  print_failures(summary, out);
  Table table({"files", "", ""});
  const auto row = [&](const char* label, std::size_t count, std::string note = {}) {
    if (count > 0) table.row({label, format_count(count), std::move(note)});
  };
  row("added", summary.added);
  row("replaced", summary.replaced);
  row("unchanged", summary.unchanged);
  row("removed", summary.removed);
  row("failed", summary.failed.size());
  row("skipped", summary.skipped.size(), describe_skipped(summary));
  row("not begun", summary.not_begun, "interrupted");
  if (table.empty()) table.row({"none", "", ""});
  table.print(out);
  if (summary.taken() > 0) {
    out.line(fmt::format("{} {} in {} ({:.0f} chunks/s, {}/s) into store \"{}\"", format_count(summary.chunks), summary.chunks == 1 ? "chunk" : "chunks",
                         format_duration(summary.elapsed),
                         per_second(static_cast<double>(summary.chunks), summary.elapsed),
                         format_bytes(per_second(static_cast<double>(summary.bytes), summary.elapsed)), summary.store));
  }
  print_missing(summary, out);
}

std::string summary_json(const IngestSummary& summary) {
  namespace json = boost::json;
  json::object out{{"store", summary.store},
                   {"added", summary.added},
                   {"replaced", summary.replaced},
                   {"unchanged", summary.unchanged},
                   {"removed", summary.removed},
                   {"not_begun", summary.not_begun},
                   {"chunks", summary.chunks},
                   {"bytes", summary.bytes},
                   {"seconds", static_cast<double>(summary.elapsed.count()) / 1000}};
  json::array failed;
  for (const auto& file : summary.failed) failed.push_back(json::object{{"path", file.path}, {"reason", file.reason}});
  out["failed"] = std::move(failed);
  json::array skipped;
  for (const auto& file : summary.skipped) {
    skipped.push_back(json::object{{"path", file.path.string()}, {"reason", describe(file.reason)}});
  }
  out["skipped"] = std::move(skipped);
  out["missing"] = json::array(summary.missing.begin(), summary.missing.end());
  return pretty_json(out);
}

}  // namespace ragtime::server
