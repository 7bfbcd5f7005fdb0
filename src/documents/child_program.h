// Running a helper program and collecting what it prints. Blocking; safe from any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace ragtime::documents {

struct ProgramOutput {
  int exit_code = 0;  // The negated signal when one ended it.
  std::string out;
  std::string err;  // Its first kilobytes.
};

// Runs `arguments[0]`, looked up in PATH, without a shell and without input. Errors: unavailable when there is no such
// program, too_large when it prints more than `output_bytes_max` (it is killed then).
Result<ProgramOutput> run_program(std::vector<std::string> arguments, std::size_t output_bytes_max);

}  // namespace ragtime::documents
