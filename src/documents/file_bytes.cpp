#include "documents/file_bytes.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "documents/unique_fd.h"

namespace ragtime::documents {
namespace {

Error cannot_read(int error) {
  return make_error(ErrorCode::invalid_argument, "cannot be read: " + std::generic_category().message(error));
}

struct OpenFile {
  UniqueFd fd;
  std::int64_t bytes = 0;
};

Result<OpenFile> open_regular(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a FIFO would wait for its other end.
  OpenFile file{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  if (!file.fd) return cannot_read(errno);
  struct stat status {};
  if (::fstat(file.fd.get(), &status) != 0) return cannot_read(errno);
  if (!S_ISREG(status.st_mode)) return make_error(ErrorCode::invalid_argument, "not a regular file");
  file.bytes = status.st_size;
  return file;
}

}  // namespace

Result<std::int64_t> regular_file_bytes(const std::filesystem::path& path) {
  RAGTIME_TRY(const OpenFile file, open_regular(path));
  return file.bytes;
}

Result<std::string> read_head(const std::filesystem::path& path, std::size_t bytes_max) {
  RAGTIME_TRY(const OpenFile file, open_regular(path));
  std::string bytes(std::min(bytes_max, static_cast<std::size_t>(file.bytes)), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = ::read(file.fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(errno);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace ragtime::documents
