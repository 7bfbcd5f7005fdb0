// The fixed parts of a snapshot file; snapshot.h describes the layout. Private to its writer and reader.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ragtime::index {

inline constexpr std::size_t kSnapshotAlignment = 4096;
inline constexpr std::uint32_t kSnapshotVersion = 2;
inline constexpr std::uint16_t kSnapshotByteOrder = 0x0102;  // Reads as 0x0201 on the other kind of machine.

struct SnapshotHeader {
  std::array<char, 8> magic{'R', 'T', 'S', 'N', 'A', 'P', 'S', 'H'};
  std::uint32_t version = kSnapshotVersion;
  std::uint16_t byte_order = kSnapshotByteOrder;
  std::uint16_t pointer_size = sizeof(void*);
  std::uint64_t unused = 0;

  bool operator==(const SnapshotHeader&) const = default;
};
static_assert(sizeof(SnapshotHeader) == 24);

// The name's bytes follow each entry.
struct SnapshotEntry {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint32_t element_size = 0;
  std::uint32_t checksum = 0;
  std::uint64_t name_size = 0;
};
static_assert(sizeof(SnapshotEntry) == 32);

struct SnapshotTrailer {
  std::array<char, 8> magic{'R', 'T', 'S', 'N', 'A', 'P', 'E', 'N'};
  std::uint64_t directory_offset = 0;
  std::uint64_t directory_size = 0;
  std::uint32_t directory_checksum = 0;
  std::uint32_t columns = 0;
};
static_assert(sizeof(SnapshotTrailer) == 32);

}  // namespace ragtime::index
