// Running a command on a Backend: the event loop, Ctrl-C, and what happens when the backend cannot be opened.
#pragma once

#include <functional>

#include "server/backend.h"
#include "server/commands.h"

namespace ragtime::server {

// What a command does; a plain function that returns the task of a named coroutine. Returns the exit code.
using BackendCommand = std::function<Task<int>(Backend& backend, RequestContext& context)>;

// Ctrl-C cancels the context; a command that then ends has exit code 130.
int run_on_backend(const BackendCommand& command, Invocation& invocation);

// "ragtime: MESSAGE", unless the user interrupted; returns kExitFailed.
int report_failure(Invocation& invocation, const Error& error);

}  // namespace ragtime::server
