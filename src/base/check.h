// RAGTIME_CHECK: an assertion that stays on in release. It judges the program, never outside data.
#pragma once

namespace ragtime {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace ragtime

#define RAGTIME_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::ragtime::check_failed(#condition, __FILE__, __LINE__))
