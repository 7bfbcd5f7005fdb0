// Reading whole files or their beginnings. Blocking; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace ragtime::documents {

// Errors of both: invalid_argument when the path is no readable regular file.

Result<std::int64_t> regular_file_bytes(const std::filesystem::path& path);

// At most `bytes_max` bytes from the beginning.
Result<std::string> read_head(const std::filesystem::path& path, std::size_t bytes_max);

}  // namespace ragtime::documents
