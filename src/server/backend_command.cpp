#include "server/backend_command.h"

#include "base/id.h"
#include "server/exit_code.h"
#include "server/runtime.h"
#include "server/stop_signals.h"

namespace ragtime::server {
namespace {

// The backend dies here, while the event loop that its connections belong to still exists.
Task<int> run(std::unique_ptr<Backend> backend, const BackendCommand& command, RequestContext& context) {
  const int code = co_await command(*backend, context);
  backend.reset();
  co_return code;
}

}  // namespace

int run_on_backend(const BackendCommand& command, Invocation& invocation) {
  RequestContext context(make_id("req-"), std::string(kLocalTenant), Deadline::never());
  StopSignals signals([&context] { context.cancel(); });
  const auto log = telemetry::Logger::null();
  auto backend = open_backend(invocation.configuration.settings, *log);
  if (backend.has_error()) return fail(invocation, backend.error().message, kExitUsage);
  if (const std::string notice = (*backend)->notice(); !notice.empty() && !invocation.json) {
    invocation.err.line(invocation.err.styled(Style::dim, "note: " + notice));
  }
  const int code = async::sync_wait(run(std::move(*backend), command, context));
  return signals.received() ? kExitInterrupted : code;
}

int report_failure(Invocation& invocation, const Error& error) {
  if (error.code == ErrorCode::cancelled) return kExitFailed;
  return fail(invocation, error.message, kExitFailed);
}

}  // namespace ragtime::server
