// StoreMemory: vector stores that were found lately, for the time when the database does not answer.
//
// Only a failed look-up is answered from it, never one that found nothing. An answer that relied on it says so in
// `degraded`. Thread safety: every member may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "storage/records.h"

namespace ragtime::api {

// Whether the database failed, as opposed to having answered no.
bool is_database_failure(const Error& error);

class StoreMemory {
 public:
  static constexpr std::size_t kEntriesMax = 4096;
  static constexpr std::chrono::minutes kAgeMax{10};

  // `text`: the id or name that was looked up.
  void remember(const std::string& tenant, const std::string& text, const storage::VectorStoreRecord& store);
  void forget(const std::string& tenant, const std::string& text);
  std::optional<storage::VectorStoreRecord> recall(const std::string& tenant, const std::string& text) const;

 private:
  struct Entry {
    storage::VectorStoreRecord store;
    std::chrono::steady_clock::time_point until;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // By tenant and text. Guarded by mutex_.
};

}  // namespace ragtime::api
