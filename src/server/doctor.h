// Doctor: whether everything that this installation needs is there and sound, with advice where it is not.
//
// Thread safety: functions of the outside world; they block.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "llm/balanced_pool.h"
#include "server/configuration.h"
#include "server/data_directory.h"
#include "server/runtime.h"
#include "server/terminal.h"

namespace ragtime::server {

enum class CheckState { ok, warning, broken };

struct Check {
  std::string name;
  CheckState state = CheckState::ok;
  std::string detail;
  std::string advice;  // What to do; empty when nothing is.
};

struct Report {
  std::vector<Check> checks;
  std::vector<llm::PoolStatus> pools;  // Of a running server.
  bool broken() const;
};

// From outside: opens nothing for writing, so that it may run beside a server.
Report examine(const LoadedConfiguration& configuration);
// From inside the running server.
Report examine(Runtime& runtime);

std::string report_json(const Report& report);
void print_report(const Report& report, Terminal& terminal);

}  // namespace ragtime::server
