// The command line: options, help, and which command runs.
#pragma once

namespace ragtime::server {

// The whole program. Returns the exit code; never throws.
int run_command_line(int argc, char** argv);

}  // namespace ragtime::server
