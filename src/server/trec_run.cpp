#include "server/trec_run.h"

#include <fstream>
#include <system_error>

#include <fmt/format.h>

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

std::string lines_of(const EvaluationSet& set, const ArmResult& arm, std::size_t query) {
  std::string out;
  const auto& ranking = arm.rankings[query];
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    out += fmt::format("{} Q0 {} {} {} ragtime-{}\n", set.queries[query].id, set.documents[ranking[i]].id, i + 1,
                       ranking.size() - i, arm.name);
  }
  return out;
}

}  // namespace

Result<void> write_runs(const fs::path& folder, const EvaluationSet& set, const SetResult& result) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  for (const auto& arm : result.arms) {
    const fs::path file = folder / fmt::format("{}.{}.run", set.name, arm.name);
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    for (std::size_t query = 0; query < arm.rankings.size(); ++query) out << lines_of(set, arm, query);
    out.close();
    if (!out) return make_error(ErrorCode::unavailable, fmt::format("{} cannot be written", file.string()));
  }
  return {};
}

}  // namespace ragtime::server
