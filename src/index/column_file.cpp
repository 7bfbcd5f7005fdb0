#include "index/column_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;

Error file_error(const fs::path& directory, int number) {
  return make_error(ErrorCode::unavailable, "cannot make a file in '" + directory.string() + "': " + std::strerror(number));
}

Result<int> open_nameless(const fs::path& directory) {
  // What is there already, or cannot be made, shows next.
  (void)::mkdir(directory.c_str(), S_IRWXU);
  std::string name = (directory / "column-XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0) return file_error(directory, errno);
  ::unlink(name.c_str());
  return descriptor;
}

}  // namespace

Result<std::shared_ptr<std::byte>> map_nameless_file(const fs::path& directory, std::size_t bytes) {
  RAGTIME_CHECK(bytes > 0);
  RAGTIME_TRY(const int descriptor, open_nameless(directory));
  // Space is taken now: a full disk found when a page is written would be a signal.
  const int failed = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
  void* data = failed != 0 ? MAP_FAILED : ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  const int number = failed != 0 ? failed : errno;
  ::close(descriptor);
  if (data == MAP_FAILED) return file_error(directory, number);
  return std::shared_ptr<std::byte>(static_cast<std::byte*>(data), [bytes](std::byte* begin) { ::munmap(begin, bytes); });
}

void release_pages(std::span<const std::byte> memory) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(memory.data() + memory.size()) / page * page;
  if (begin >= end) return;
  // Advice, all of it.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_RANDOM);
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_NOHUGEPAGE);
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace ragtime::index
