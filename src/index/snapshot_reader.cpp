#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/crc32c.h"
#include "index/snapshot.h"
#include "index/snapshot_format.h"

namespace ragtime::index {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

constexpr std::size_t kHugePage = std::size_t{2} << 20;

struct Column {
  Bytes bytes;
  std::size_t element_size = 0;
};

template <class T>
T read_as(Bytes bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

Error read_error(const std::string& file, int number) {
  const auto code = number == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable;
  return make_error(code, "cannot read " + file + ": " + std::strerror(number));
}

// Whole pages of memory that begin with a snapshot's bytes; unmapped at the end.
class Mapping {
 public:
  static Result<Mapping> of_file(const std::string& file, int descriptor);
  static Result<Mapping> of_bytes(const std::string& name, Bytes bytes);
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  Bytes bytes() const { return bytes_; }
  // Reads a part of it from the disk. Errors: unavailable.
  Result<void> populate(const std::string& file, Bytes part) const;

 private:
  explicit Mapping(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

Result<Mapping> Mapping::of_file(const std::string& file, int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return read_error(file, errno);
  if (!S_ISREG(status.st_mode)) return read_error(file, EINVAL);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return Mapping(Bytes());
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (data == MAP_FAILED) return read_error(file, errno);
  // Advice: all of it is read next, in huge pages where the file system has them, as random reading needs them.
  if (size >= kHugePage) (void)::madvise(data, size, MADV_HUGEPAGE);
  (void)::posix_fadvise(descriptor, 0, 0, POSIX_FADV_WILLNEED);
  return Mapping(Bytes(static_cast<const std::byte*>(data), size));
}

// One call instead of a fault for every few pages; and what the disk does not give is an error, not a signal.
Result<void> Mapping::populate(const std::string& file, Bytes part) const {
#ifdef MADV_POPULATE_READ
  if (part.empty()) return {};
  const auto begin = static_cast<std::size_t>(part.data() - bytes_.data()) / kSnapshotAlignment * kSnapshotAlignment;
  const auto end = static_cast<std::size_t>(part.data() + part.size() - bytes_.data());
  const int failed = ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_POPULATE_READ);
  // Kernels before 5.14 do not know it.
  if (failed != 0 && errno != EINVAL) return read_error(file, errno == EFAULT ? EIO : errno);
#endif
  return {};
}

Result<Mapping> Mapping::of_bytes(const std::string& name, Bytes bytes) {
  if (bytes.empty()) return Mapping(Bytes());
  void* data = ::mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return read_error(name, errno);
  std::memcpy(data, bytes.data(), bytes.size());
  return Mapping(Bytes(static_cast<const std::byte*>(data), bytes.size()));
}

class MappedSnapshot final : public SnapshotReader {
 public:
  MappedSnapshot(std::string file, Mapping mapping, bool is_file)
      : file_(std::move(file)),
        is_file_(is_file),
        owner_(std::make_shared<const Mapping>(std::move(mapping))),
        mapping_(owner_->bytes()) {}

  Result<void> verify();
  using SnapshotReader::column;
  Result<Bytes> column(std::string_view name, std::size_t element_size) const override;
  std::shared_ptr<const void> memory() const override { return owner_; }
  bool is_file() const override { return is_file_; }

 private:
  Error corrupt(const std::string& what) const {
    return make_error(ErrorCode::corrupt, "snapshot " + file_ + " is damaged: " + what);
  }
  Result<void> check_header() const;
  Result<SnapshotTrailer> check_trailer() const;
  Result<void> read_directory(const SnapshotTrailer& trailer);
  Result<void> read_entry(Bytes& directory, const SnapshotTrailer& trailer);

  std::string file_;
  bool is_file_;
  std::shared_ptr<const Mapping> owner_;
  Bytes mapping_;
  std::map<std::string, Column, std::less<>> columns_;
};

Result<void> MappedSnapshot::verify() {
  RAGTIME_TRY_DONE(check_header());
  RAGTIME_TRY(const SnapshotTrailer trailer, check_trailer());
  return read_directory(trailer);
}

Result<void> MappedSnapshot::check_header() const {
  const SnapshotHeader expected;
  if (mapping_.size() < sizeof(SnapshotHeader) + sizeof(SnapshotTrailer)) return corrupt("it is too short");
  RAGTIME_TRY_DONE(owner_->populate(file_, mapping_.first(sizeof(SnapshotHeader))));
  const auto header = read_as<SnapshotHeader>(mapping_);
  if (header.magic != expected.magic) return corrupt("it does not begin like a snapshot");
  if (header.byte_order != expected.byte_order || header.pointer_size != expected.pointer_size) {
    return make_error(ErrorCode::unsupported, "snapshot " + file_ + " was written by another kind of machine");
  }
  if (header.version != expected.version) {
    return make_error(ErrorCode::unsupported, "snapshot " + file_ + " has version " + std::to_string(header.version) +
                                                  ", this program reads version " + std::to_string(expected.version));
  }
  if (header != expected) return corrupt("its header is unknown");
  return {};
}

Result<SnapshotTrailer> MappedSnapshot::check_trailer() const {
  const std::size_t end = mapping_.size() - sizeof(SnapshotTrailer);
  RAGTIME_TRY_DONE(owner_->populate(file_, mapping_.subspan(end)));
  const auto trailer = read_as<SnapshotTrailer>(mapping_.subspan(end));
  if (trailer.magic != SnapshotTrailer{}.magic) return corrupt("it does not end like a snapshot");
  if (trailer.directory_offset > end || trailer.directory_size != end - trailer.directory_offset) {
    return corrupt("its directory is not before its end");
  }
  const Bytes directory = mapping_.subspan(trailer.directory_offset, trailer.directory_size);
  RAGTIME_TRY_DONE(owner_->populate(file_, directory));
  if (interleaved_crc32c(directory) != trailer.directory_checksum) return corrupt("checksum of the directory");
  return trailer;
}

Result<void> MappedSnapshot::read_directory(const SnapshotTrailer& trailer) {
  Bytes directory = mapping_.subspan(trailer.directory_offset, trailer.directory_size);
  while (!directory.empty()) RAGTIME_TRY_DONE(read_entry(directory, trailer));
  if (columns_.size() != trailer.columns) return corrupt("number of columns");
  return {};
}

// Takes the entry off the directory.
Result<void> MappedSnapshot::read_entry(Bytes& directory, const SnapshotTrailer& trailer) {
  if (directory.size() < sizeof(SnapshotEntry)) return corrupt("its directory is cut off");
  const auto entry = read_as<SnapshotEntry>(directory);
  directory = directory.subspan(sizeof(SnapshotEntry));
  if (entry.name_size > directory.size()) return corrupt("its directory is cut off");
  std::string name(reinterpret_cast<const char*>(directory.data()), entry.name_size);
  directory = directory.subspan(entry.name_size);
  if (entry.offset % kSnapshotAlignment != 0 || entry.offset > trailer.directory_offset ||
      entry.size > trailer.directory_offset - entry.offset || entry.element_size == 0 ||
      entry.size % entry.element_size != 0) {
    return corrupt("place of column " + name);
  }
  const Bytes bytes = mapping_.subspan(entry.offset, entry.size);
  RAGTIME_TRY_DONE(owner_->populate(file_, bytes));
  if (interleaved_crc32c(bytes) != entry.checksum) return corrupt("checksum of column " + name);
  if (!columns_.try_emplace(name, Column{bytes, entry.element_size}).second) return corrupt("two columns " + name);
  return {};
}

Result<Bytes> MappedSnapshot::column(std::string_view name, std::size_t element_size) const {
  const auto found = columns_.find(name);
  if (found == columns_.end()) return corrupt("column " + std::string(name) + " is missing");
  if (found->second.element_size != element_size) return corrupt("column " + std::string(name) + " holds another type");
  return found->second.bytes;
}

Result<std::shared_ptr<const SnapshotReader>> verified(const std::string& name, Mapping mapping, bool is_file) {
  const auto snapshot = std::make_shared<MappedSnapshot>(name, std::move(mapping), is_file);
  RAGTIME_TRY_DONE(snapshot->verify());
  return std::shared_ptr<const SnapshotReader>(snapshot);
}

}  // namespace

Result<std::shared_ptr<const SnapshotReader>> SnapshotReader::open(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return read_error(file.string(), errno);
  auto mapping = Mapping::of_file(file.string(), descriptor);
  ::close(descriptor);
  if (!mapping) return mapping.error();
  return verified(file.string(), std::move(*mapping), true);
}

Result<std::shared_ptr<const SnapshotReader>> SnapshotReader::parse(const std::string& name, Bytes bytes) {
  RAGTIME_TRY(auto mapping, Mapping::of_bytes(name, bytes));
  return verified(name, std::move(mapping), false);
}

}  // namespace ragtime::index
