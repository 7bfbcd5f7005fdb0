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

}  // namespace

int serve_command(Invocation& invocation) {
  StopSignals signals;
  const Configuration& configuration = invocation.configuration.settings;
  auto log = telemetry::Logger::open(log_config(configuration));
  if (log.has_error()) return fail(invocation, log.error().message, kExitUsage);
  auto application = Application::start(configuration, **log);
  if (application.has_error()) return fail(invocation, application.error().message, kExitUsage);
  greet(**application, invocation);
  signals.wait();
  (*application)->stop();
  return kExitDone;
}

}  // namespace ragtime::server
