// What one run of `ragtime ingest` did, and how it is told.
//
// Thread safety: belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/file_walk.h"
#include "server/terminal.h"

namespace ragtime::server {

struct FailedFile {
  std::string path;
  std::string reason;
};

struct IngestSummary {
  std::string store;
  std::size_t added = 0;
  std::size_t replaced = 0;
  std::size_t unchanged = 0;
  std::size_t removed = 0;    // Pruned.
  std::size_t not_begun = 0;  // Left when the user interrupted.
  std::size_t chunks = 0;     // Of the added and replaced ones.
  std::uint64_t bytes = 0;    // The same.
  std::vector<FailedFile> failed;
  std::vector<SkippedFile> skipped;
  std::vector<std::string> missing;  // In the store, but gone from disk, and not pruned.
  std::chrono::milliseconds elapsed{0};

  std::size_t taken() const { return added + replaced; }
  std::map<std::string, std::size_t> skipped_by_reason() const;
};

void print_summary(const IngestSummary& summary, Terminal& out);
std::string summary_json(const IngestSummary& summary);

}  // namespace ragtime::server
