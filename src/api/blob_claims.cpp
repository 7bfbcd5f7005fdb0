#include "api/blob_claims.h"

namespace ragtime::api {

Result<storage::BlobInfo> BlobClaims::commit(storage::BlobWriter& writer) {
  const std::lock_guard lock(mutex_);
  RAGTIME_TRY(storage::BlobInfo info, writer.commit());
  ++claims_[info.sha256];
  return info;
}

Result<void> BlobClaims::release(std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  if (const auto claim = claims_.find(sha256); claim != claims_.end() && --claim->second == 0) claims_.erase(claim);
  return remove_if_unused_locked(sha256);
}

Result<void> BlobClaims::remove_if_unused(std::string_view sha256) {
  const std::lock_guard lock(mutex_);
  return remove_if_unused_locked(sha256);
}

Result<void> BlobClaims::remove_if_unused_locked(std::string_view sha256) {
  if (claims_.find(sha256) != claims_.end()) return {};
  RAGTIME_TRY(const bool in_use, database_.blob_in_use(sha256));
  if (in_use) return {};
  return blobs_.remove(sha256);
}

}  // namespace ragtime::api
