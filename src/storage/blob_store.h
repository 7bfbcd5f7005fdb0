// BlobStore: the originals of uploaded files, addressed by the SHA-256 of their content. A directory now, S3 later.
//
// Layout: DIR/ab/cd…, written to DIR/tmp first and renamed after fsync, so that a name always means whole content.
// Calls block. Thread safety: every member may be called from any thread; a BlobWriter belongs to one upload.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ragtime::storage {

struct BlobInfo {
  std::string sha256;
  std::int64_t bytes = 0;
};

// One upload. Destroying it before commit() leaves nothing.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual Result<void> write(std::string_view bytes) = 0;
  // Makes the content durable and gives it its name. Writing the same content twice is fine.
  virtual Result<BlobInfo> commit() = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual Result<std::unique_ptr<BlobWriter>> create() = 0;
  // A readable file with the content; valid until removed. not_found.
  virtual Result<std::filesystem::path> path(std::string_view sha256) = 0;
  // At most `length` bytes from `offset`; empty at the end.
  virtual Result<std::string> read(std::string_view sha256, std::int64_t offset, std::size_t length) = 0;
  // No-op when absent.
  virtual Result<void> remove(std::string_view sha256) = 0;
};

// Creates the directory (mode 0700) and clears what interrupted uploads left in DIR/tmp.
Result<std::unique_ptr<BlobStore>> open_directory_blobs(const std::filesystem::path& directory);

}  // namespace ragtime::storage
