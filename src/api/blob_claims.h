// BlobClaims: keeps uploaded content that no row names yet from being removed as unused, and removes what is unused.
//
// Upload: commit() names and claims the content, rows are written, release() gives the claim back. Without the claim,
// deleting the last file of the same content in between would take the new file's bytes with it.
// Calls block. Thread safety: every member may be called from any thread. References outlive the object.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/blob_store.h"
#include "storage/database.h"

namespace ragtime::api {

class BlobClaims {
 public:
  BlobClaims(storage::Database& database, storage::BlobStore& blobs) : database_(database), blobs_(blobs) {}

  Result<storage::BlobInfo> commit(storage::BlobWriter& writer);
  // Gives back one claim; then as remove_if_unused().
  Result<void> release(std::string_view sha256);
  // Removes the content when no file refers to it and nobody claims it.
  Result<void> remove_if_unused(std::string_view sha256);

 private:
  Result<void> remove_if_unused_locked(std::string_view sha256);

  storage::Database& database_;
  storage::BlobStore& blobs_;
  std::mutex mutex_;
  std::map<std::string, int, std::less<>> claims_;  // Guarded by mutex_.
};

}  // namespace ragtime::api
