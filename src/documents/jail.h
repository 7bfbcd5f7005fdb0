// Jail: takes from the calling process what parsing does not need. Irreversible, and inherited by programs it starts.
//
// Thread safety: call on the only thread of a process.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace ragtime::documents {

// No new privileges, no core dumps, no writing of files, no network, no way to look into or signal other processes, no
// changes to the file system or the kernel. Dies with its parent. Errors: unavailable.
Result<void> enter_jail();

// Limits the address space to what is in use now plus `bytes_more`. Errors: unavailable.
Result<void> limit_memory(std::uint64_t bytes_more);

// A CPU limit for what comes next: the process gets SIGXCPU after `seconds` more.
void allow_cpu_seconds(std::uint32_t seconds);

}  // namespace ragtime::documents
