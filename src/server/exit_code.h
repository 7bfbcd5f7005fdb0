// What the process returns to its caller.
#pragma once

namespace ragtime::server {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // The operation failed, fully or in part.
inline constexpr int kExitUsage = 2;   // Wrong usage, configuration or environment.
inline constexpr int kExitInterrupted = 130;

}  // namespace ragtime::server
