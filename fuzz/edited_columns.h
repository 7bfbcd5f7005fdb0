// EditedColumns: a snapshot in memory whose columns an attacker has changed. What a fuzzer gets as bytes are the
// changes: checksums would stop it at the door otherwise, as they do not stop one who can compute them.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/snapshot.h"

namespace ragtime::fuzz {

class EditedColumns final : public index::SnapshotWriter, public index::SnapshotReader {
 public:
  using SnapshotReader::column;
  using SnapshotWriter::column;

  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override;
  Result<void> finish() override { return {}; }
  Result<std::span<const std::byte>> column(std::string_view name, std::size_t element_size) const override;

  // Six bytes for each change: column, operation, place (two), value (two).
  void edit(std::span<const std::uint8_t> changes);

 private:
  struct Column {
    std::vector<std::byte> bytes;
    std::size_t element_size = 1;
  };
  static void edit(Column& column, std::span<const std::uint8_t, 6> change);

  std::map<std::string, Column, std::less<>> columns_;
};

}  // namespace ragtime::fuzz
