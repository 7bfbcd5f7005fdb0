// What this program is and what it was built from.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ragtime::server {

std::string version();  // "0.1.0"

// Label and value: build type, compiler, libraries with their versions at run time, CPU features.
std::vector<std::pair<std::string, std::string>> build_description();

}  // namespace ragtime::server
