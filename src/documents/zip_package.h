// ZipPackage: reads parts of a ZIP file within bounds, whatever sizes the file claims.
//
// Thread safety: an object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

struct zip;

namespace ragtime::documents {

class ZipPackage {
 public:
  // Errors: invalid_argument (damaged).
  static Result<ZipPackage> open(const std::filesystem::path& path);

  bool contains(const std::string& part) const;

  // The part's bytes. Errors: not_found, invalid_argument (encrypted, damaged), too_large: more than `bytes_max`.
  Result<std::string> read(const std::string& part, std::size_t bytes_max) const;

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  explicit ZipPackage(zip* archive) : archive_(archive) {}
  std::unique_ptr<zip, Close> archive_;
};

}  // namespace ragtime::documents
