#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/id.h"
#include "storage/blob_store.h"

namespace ragtime::storage {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& action, const fs::path& path, int error) {
  return make_error(ErrorCode::unavailable, "cannot " + action + " " + path.string() + ": " + std::strerror(error));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }

 private:
  int value_;
};

Result<void> sync_directory(const fs::path& directory) {
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid() || ::fsync(opened.get()) != 0) return failed("sync", directory, errno);
  return {};
}

// True when it was missing.
Result<bool> make_directory(const fs::path& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) return true;
  if (errno == EEXIST && fs::is_directory(directory)) return false;
  return failed("create", directory, errno);
}

bool is_sha256(std::string_view name) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == 64 && std::all_of(name.begin(), name.end(), hexadecimal);
}

Error no_blob(std::string_view sha256) {
  return make_error(ErrorCode::not_found, "no stored content '" + std::string(sha256) + "'");
}

fs::path location(const fs::path& root, std::string_view sha256) {
  return root / sha256.substr(0, 2) / sha256.substr(2);
}

class DirectoryBlobWriter final : public BlobWriter {
 public:
  DirectoryBlobWriter(fs::path root, fs::path draft, int descriptor)
      : root_(std::move(root)), draft_(std::move(draft)), file_(descriptor) {}
  ~DirectoryBlobWriter() override {
    if (!committed_) ::unlink(draft_.c_str());
  }

  Result<void> write(std::string_view bytes) override;
  Result<BlobInfo> commit() override;

 private:
  const fs::path root_;
  const fs::path draft_;
  const Descriptor file_;
  Sha256 hash_;
  std::int64_t bytes_ = 0;
  bool committed_ = false;
};

Result<void> DirectoryBlobWriter::write(std::string_view bytes) {
  hash_.update(bytes);
  bytes_ += static_cast<std::int64_t>(bytes.size());
  while (!bytes.empty()) {
    const auto written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", draft_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<BlobInfo> DirectoryBlobWriter::commit() {
  if (::fsync(file_.get()) != 0) return failed("sync", draft_, errno);
  BlobInfo info;
  info.sha256 = hash_.finish_hex();
  info.bytes = bytes_;
  const fs::path target = location(root_, info.sha256);
  RAGTIME_TRY(const bool fresh, make_directory(target.parent_path()));
  if (::rename(draft_.c_str(), target.c_str()) != 0) return failed("rename", draft_, errno);
  committed_ = true;
  RAGTIME_TRY_DONE(sync_directory(target.parent_path()));
  if (fresh) RAGTIME_TRY_DONE(sync_directory(root_));
  return info;
}

class DirectoryBlobStore final : public BlobStore {
 public:
  explicit DirectoryBlobStore(fs::path root) : root_(std::move(root)) {}

  Result<std::unique_ptr<BlobWriter>> create() override;
  Result<fs::path> path(std::string_view sha256) override;
  Result<std::string> read(std::string_view sha256, std::int64_t offset, std::size_t length) override;
  Result<void> remove(std::string_view sha256) override;

 private:
  const fs::path root_;
};

Result<std::unique_ptr<BlobWriter>> DirectoryBlobStore::create() {
  const fs::path draft = root_ / "tmp" / make_id("upload-");
  const int descriptor = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("create", draft, errno);
  return std::unique_ptr<BlobWriter>(std::make_unique<DirectoryBlobWriter>(root_, draft, descriptor));
}

Result<fs::path> DirectoryBlobStore::path(std::string_view sha256) {
  if (!is_sha256(sha256)) return no_blob(sha256);
  const fs::path file = location(root_, sha256);
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return no_blob(sha256);
  return file;
}

Result<std::string> DirectoryBlobStore::read(std::string_view sha256, std::int64_t offset, std::size_t length) {
  if (offset < 0) return make_error(ErrorCode::invalid_argument, "the offset is negative", "offset");
  RAGTIME_TRY(const auto file, path(sha256));
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.valid()) return errno == ENOENT ? no_blob(sha256) : failed("open", file, errno);
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) return failed("read", file, errno);
  const std::int64_t left = std::max<std::int64_t>(0, status.st_size - offset);
  std::string bytes(std::min(length, static_cast<std::size_t>(left)), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const auto at = offset + static_cast<std::int64_t>(filled);
    const auto got = ::pread(opened.get(), bytes.data() + filled, bytes.size() - filled, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", file, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Result<void> DirectoryBlobStore::remove(std::string_view sha256) {
  if (!is_sha256(sha256)) return {};
  const fs::path file = location(root_, sha256);
  if (::unlink(file.c_str()) == 0 || errno == ENOENT) return {};
  return failed("remove", file, errno);
}

Result<void> clear_drafts(const fs::path& directory) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    fs::remove_all(entry.path(), error);
    if (error) return failed("remove", entry.path(), error.value());
  }
  if (error) return failed("read", directory, error.value());
  return {};
}

}  // namespace

Result<std::unique_ptr<BlobStore>> open_directory_blobs(const fs::path& directory) {
  std::error_code error;
  if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), error);
  RAGTIME_TRY(const bool fresh, make_directory(directory));
  (void)fresh;
  RAGTIME_TRY(const bool fresh_drafts, make_directory(directory / "tmp"));
  (void)fresh_drafts;
  RAGTIME_TRY_DONE(clear_drafts(directory / "tmp"));
  return std::unique_ptr<BlobStore>(std::make_unique<DirectoryBlobStore>(directory));
}

}  // namespace ragtime::storage
