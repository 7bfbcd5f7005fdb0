// The files that `ragtime ingest` is to take: named files as they are, directories recursively.
//
// Inside directories hidden names are passed over, and what .gitignore and .ragtimeignore say (of the directory, of
// those below it, and of its parents up to the repository's root). Symbolic links to files are followed, those to
// directories are not: name them to have them taken.
// Thread safety: a pure function of the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ragtime::server {

struct WalkOptions {
  std::vector<std::string> excludes;  // Patterns in the grammar of .gitignore, relative to each given directory.
  // Whether a file inside a directory is of a kind to take; named files are taken without asking.
  std::function<bool(std::string_view filename)> wanted;
};

struct WalkedFile {
  std::filesystem::path path;  // Absolute, without "." and "..".
  std::uint64_t bytes = 0;
};

enum class SkipReason { hidden, ignored, unsupported_type, directory_link, unreadable, special_file };
std::string_view describe(SkipReason reason);

struct SkippedFile {
  std::filesystem::path path;
  SkipReason reason;
  bool is_directory = false;  // Skipped with everything in it.
};

struct WalkResult {
  std::vector<WalkedFile> files;  // Sorted by path, without repetition.
  std::vector<SkippedFile> skipped;
  std::vector<std::filesystem::path> directories;  // Those given, absolute.
};

// Errors: not_found when a given path does not exist.
Result<WalkResult> walk_files(const std::vector<std::string>& paths, const WalkOptions& options);

}  // namespace ragtime::server
