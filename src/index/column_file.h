// Columns in files without names: memory that the system may write out and drop where it is short, and reads again when
// it is needed. For what a search touches little of.
//
// Thread safety: as an array.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "index/aligned_column.h"

namespace ragtime::index {

// Zeroed memory in a file of that size in `directory`, made if absent, mode 0700. The file has no name, so that nobody
// finds it and the space is free when the last owner is gone, however that comes. Precondition: bytes > 0.
// Errors: unavailable (no space, no such directory), naming the directory.
Result<std::shared_ptr<std::byte>> map_nameless_file(const std::filesystem::path& directory, std::size_t bytes);

// Says that whole pages in here are read at random and are not needed now: they stay in the system's cache while it has
// room. Precondition: they are a file's, so that what they hold is not lost.
void release_pages(std::span<const std::byte> memory);

// Writable, zeroed. In memory where `directory` is empty or a file cannot be had.
template <class T>
struct FileColumn {
  FileColumn(std::size_t size, const std::filesystem::path& directory) {
    if (size > 0 && !directory.empty()) {
      if (auto memory = map_nameless_file(directory, size * sizeof(T))) {
        const std::span<const T> values(reinterpret_cast<const T*>(memory->get()), size);
        column = AlignedColumn<T>(values, std::move(*memory));
        is_in_file = true;
        return;
      }
    }
    column = AlignedColumn<T>(size);
  }

  AlignedColumn<T> column;
  bool is_in_file = false;
};

}  // namespace ragtime::index
