#include "api/store_memory.h"

namespace ragtime::api {
namespace {

std::string key_of(const std::string& tenant, const std::string& text) {
  return std::to_string(tenant.size()) + ':' + tenant + text;
}

}  // namespace

bool is_database_failure(const Error& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::internal ||
         error.code == ErrorCode::corrupt || error.code == ErrorCode::deadline_exceeded;
}

void StoreMemory::remember(const std::string& tenant, const std::string& text,
                           const storage::VectorStoreRecord& store) {
  const auto until = std::chrono::steady_clock::now() + kAgeMax;
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kEntriesMax) entries_.clear();
  entries_.insert_or_assign(key_of(tenant, text), Entry{store, until});
}

void StoreMemory::forget(const std::string& tenant, const std::string& text) {
  const std::lock_guard lock(mutex_);
  entries_.erase(key_of(tenant, text));
}

std::optional<storage::VectorStoreRecord> StoreMemory::recall(const std::string& tenant,
                                                              const std::string& text) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_of(tenant, text));
  if (found == entries_.end() || found->second.until <= std::chrono::steady_clock::now()) return std::nullopt;
  return found->second.store;
}

}  // namespace ragtime::api
