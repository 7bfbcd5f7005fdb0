// MappedFile: a whole file as read-only memory.
//
// Thread safety: immutable once open. The file must not be shortened while it is mapped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace ragtime::encoder {

class MappedFile {
 public:
  // Errors: not_found, unsupported (not a regular file), unavailable (the system refused); the message names the file.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}

  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ragtime::encoder
