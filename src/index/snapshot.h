// Snapshots: files of named columns, used where they lie after reading.
//
// Layout, little-endian: header of 24 bytes (magic "RTSNAPSH", format version, byte order and size of pointers, unused
// zero), columns at multiples of 4,096 bytes, directory (for each column: offset, size, element size, checksum, length
// of the name, name), trailer of 32 bytes (magic "RTSNAPEN", directory's offset and size, its checksum, the number of
// columns). Checksums are those of crc32c.h. The trailer ends the file.
// A file is written beside its target, synced, renamed over it and the directory synced: it is there whole or not at
// all. What is mapped stays as it was when another file takes the place; nothing may write into a snapshot. Where memory
// is short, the kernel drops mapped pages and reads them again when they are needed, unverified.
// Thread safety: a reader is immutable; a writer belongs to one thread, and a target has one writer at a time.
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
#include "index/aligned_column.h"

namespace ragtime::index {

class SnapshotWriter {
 public:
  // Writes to the target's name and ".partial", readable to the owner only; what an earlier, killed writer left there
  // is replaced. Errors: unavailable (cannot create).
  static Result<std::unique_ptr<SnapshotWriter>> create(const std::filesystem::path& target);
  virtual ~SnapshotWriter() = default;  // Without finish(), leaves no file behind.

  // Written at once, `bytes` may go afterwards. Preconditions: names are unique in a file and not longer than 65,535
  // bytes; bytes are whole elements, of at most 4,096 bytes. Errors are kept and returned by finish().
  virtual void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) = 0;
  template <class T>
  void column(std::string_view name, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    column(name, std::as_bytes(values), sizeof(T));
  }
  // Once. Errors: unavailable (disk full, cannot write), naming the file.
  virtual Result<void> finish() = 0;
};

class SnapshotReader {
 public:
  // Maps the file and checks header, directory and the checksum of every column, at about 6 GB/s when the file is in
  // memory. The mapping lives as long as the reader or any column that was kept. Errors: not_found, unavailable (the system refuses), corrupt,
  // unsupported (version, machine); the message names file and column.
  static Result<std::shared_ptr<const SnapshotReader>> open(const std::filesystem::path& file);
  // The same of bytes in memory, which are copied; `name` stands for the file in messages.
  static Result<std::shared_ptr<const SnapshotReader>> parse(const std::string& name, std::span<const std::byte> bytes);
  virtual ~SnapshotReader() = default;

  // Lies at a multiple of 4,096 bytes. Errors: corrupt (absent, or of another element size).
  virtual Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const = 0;
  template <class T>
  Result<std::span<const T>> column(std::string_view name) const {
    static_assert(std::is_trivially_copyable_v<T>);
    RAGTIME_TRY(const auto bytes, column(name, sizeof(T)));
    return std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
  }
  // What the columns' memory lives as long as; null when that is the reader alone.
  virtual std::shared_ptr<const void> memory() const { return nullptr; }
  // Whether that is a file's: then pages may be dropped, see release_pages() in column_file.h.
  virtual bool is_file() const { return false; }
  // A column that outlives the reader: it shares memory(), or is a copy where that is null. The caller checks its size
  // and what it holds, as with any column. See aligned_column.h.
  template <class T>
  Result<AlignedColumn<T>> keep(std::string_view name) const {
    RAGTIME_TRY(const auto values, column<T>(name));
    auto owner = memory();
    return owner == nullptr ? AlignedColumn<T>(values) : AlignedColumn<T>(values, std::move(owner));
  }
  // The same of a column that must have `size` elements.
  template <class T>
  Result<AlignedColumn<T>> keep(std::string_view name, std::size_t size) const {
    RAGTIME_TRY(auto values, keep<T>(name));
    if (values.size() == size) return values;
    return make_error(ErrorCode::corrupt, "The index's column " + std::string(name) + " does not fit the others.");
  }
};

}  // namespace ragtime::index
