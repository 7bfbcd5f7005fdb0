#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "index/crc32c.h"
#include "index/snapshot.h"
#include "index/snapshot_format.h"

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;

Error write_error(const fs::path& file, int number) {
  return make_error(ErrorCode::unavailable, "cannot write " + file.string() + ": " + std::strerror(number));
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// So that a rename outlives a power failure. Gives errno, or 0.
int sync_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int number = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return number;
}

class FileWriter final : public SnapshotWriter {
 public:
  FileWriter(fs::path target, fs::path partial, int descriptor)
      : target_(std::move(target)), partial_(std::move(partial)), descriptor_(descriptor) {
    write(bytes_of(SnapshotHeader{}));
  }
  ~FileWriter() override {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!finished_) ::unlink(partial_.c_str());
  }

  void column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) override;
  Result<void> finish() override;

 private:
  void write(std::span<const std::byte> bytes);
  void write_directory();
  void publish();
  void fail(int number) {
    if (!error_) error_ = write_error(partial_, number);
  }
  void append(std::span<const std::byte> bytes) { directory_.insert(directory_.end(), bytes.begin(), bytes.end()); }

  fs::path target_;
  fs::path partial_;
  int descriptor_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> directory_;
  std::set<std::string, std::less<>> names_;
  std::optional<Error> error_;
  bool finished_ = false;
};

void FileWriter::column(std::string_view name, std::span<const std::byte> bytes, std::size_t element_size) {
  RAGTIME_CHECK(element_size > 0 && element_size <= kSnapshotAlignment && bytes.size() % element_size == 0);
  RAGTIME_CHECK(name.size() <= 0xffff && names_.emplace(name).second);
  offset_ = (offset_ + kSnapshotAlignment - 1) / kSnapshotAlignment * kSnapshotAlignment;
  append(bytes_of(SnapshotEntry{.offset = offset_,
                                .size = bytes.size(),
                                .element_size = static_cast<std::uint32_t>(element_size),
                                .checksum = interleaved_crc32c(bytes),
                                .name_size = name.size()}));
  append(std::as_bytes(std::span(name)));
  write(bytes);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !error_) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(written < 0 ? errno : EIO);
    offset_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void FileWriter::write_directory() {
  const SnapshotTrailer trailer{.directory_offset = offset_,
                                .directory_size = directory_.size(),
                                .directory_checksum = interleaved_crc32c(directory_),
                                .columns = static_cast<std::uint32_t>(names_.size())};
  write(directory_);
  write(bytes_of(trailer));
}

void FileWriter::publish() {
  if (::fsync(descriptor_) != 0) fail(errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail(errno);
  if (error_) return;
  if (::rename(partial_.c_str(), target_.c_str()) != 0) return fail(errno);
  finished_ = true;
  if (const int number = sync_directory(target_.parent_path())) fail(number);
}

Result<void> FileWriter::finish() {
  RAGTIME_CHECK(descriptor_ >= 0);
  write_directory();
  publish();
  if (error_) return *error_;
  return {};
}

}  // namespace

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(const fs::path& target) {
  fs::path partial = target;
  partial += ".partial";
  ::unlink(partial.c_str());
  const int descriptor = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return write_error(partial, errno);
  return std::unique_ptr<SnapshotWriter>(std::make_unique<FileWriter>(target, partial, descriptor));
}

}  // namespace ragtime::index
