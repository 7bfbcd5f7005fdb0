#include <fmt/format.h>

#include "server/application.h"
#include "server/commands.h"
#include "server/exit_code.h"
#include "server/module_settings.h"
#include "server/stop_signals.h"
#include "server/version.h"

namespace ragtime::server {
namespace {

// For people; the log on standard error is for machines.
void greet(const Application& application, Invocation& invocation) {
  if (!invocation.out.interactive()) return;
  invocation.out.line(
      fmt::format("Ragtime {} at {}", version(), invocation.out.styled(Style::bold, application.url())));
  invocation.out.line(fmt::format("reference {}/docs, Ctrl-C stops", application.url()));
}

// Without anything to reload, a server ends with its terminal.
StopSignals::Hangup on_hangup(const Configuration& configuration) {
  const bool reloads = !configuration.retrieval.user_words.empty() || !configuration.models.empty();
  return reloads ? StopSignals::Hangup::is_awaited : StopSignals::Hangup::ends_process;
}

}  // namespace

int serve_command(Invocation& invocation) {
  const Configuration& configuration = invocation.configuration.settings;
  StopSignals signals({}, on_hangup(configuration));
  auto log = telemetry::Logger::open(log_config(configuration));
  if (log.has_error()) return fail(invocation, log.error().message, kExitUsage);
  auto application = Application::start(configuration, **log);
  if (application.has_error()) return fail(invocation, application.error().message, kExitUsage);
  greet(**application, invocation);
  Runtime& runtime = (*application)->runtime();
  while (signals.wait_for_hangup()) {
    if (!configuration.retrieval.user_words.empty()) runtime.reload_user_words();
    if (!configuration.models.empty()) runtime.reload_endpoints(invocation.configuration.file);
  }
  (*application)->stop();
  return kExitDone;
}

}  // namespace ragtime::server
