// Snapshots: files of named columns, memory-mapped on reading.
//
// Layout, little-endian: header (magic, format version, machine check), columns at multiples of 4,096 bytes, directory
// (name, offset, size, element size, XXH64 or CRC32C of each column), trailer (directory's offset, size and checksum).
// A file is written beside its target, synced, renamed over it and the directory synced: it is there whole or not at all.
// Thread safety: a reader is immutable; a writer belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace ragtime::index {

class SnapshotWriter {
 public:
  // Errors: unavailable (cannot create).
  static Result<std::unique_ptr<SnapshotWriter>> create(const std::filesystem::path& target);
  virtual ~SnapshotWriter() = default;  // Without finish(), leaves no file behind.

  // Names are unique in a file. Errors are kept and returned by finish().
  virtual void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) = 0;
  template <class T>
  void column(std::string_view name, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    column(name, std::as_bytes(values), sizeof(T));
  }
  // Errors: unavailable (disk full, cannot write), naming the file.
  virtual Result<void> finish() = 0;
};

class SnapshotReader {
 public:
  // Checks header, directory and the checksum of every column. The mapping lives as long as the reader or any
  // shared_ptr to it. Errors: not_found, corrupt, unsupported (version, machine); the message names file and column.
  static Result<std::shared_ptr<const SnapshotReader>> open(const std::filesystem::path& file);
  virtual ~SnapshotReader() = default;

  // Errors: corrupt (absent, or of another element size).
  virtual Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const = 0;
  template <class T>
  Result<std::span<const T>> column(std::string_view name) const {
    static_assert(std::is_trivially_copyable_v<T>);
    RAGTIME_TRY(const auto bytes, column(name, sizeof(T)));
    return std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
  }
};

}  // namespace ragtime::index
