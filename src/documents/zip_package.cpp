#include "documents/zip_package.h"

#include <algorithm>

#include <zip.h>

namespace ragtime::documents {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

Error damaged() {
  return make_error(ErrorCode::invalid_argument, "damaged: the package cannot be unpacked");
}

}  // namespace

void ZipPackage::Close::operator()(zip* archive) const {
  zip_discard(archive);
}

Result<ZipPackage> ZipPackage::open(const std::filesystem::path& path) {
  int error = 0;
  zip* archive = zip_open(path.c_str(), ZIP_RDONLY, &error);
  if (archive == nullptr) return damaged();
  return ZipPackage(archive);
}

bool ZipPackage::contains(const std::string& part) const {
  return zip_name_locate(archive_.get(), part.c_str(), ZIP_FL_NOCASE) >= 0;
}

Result<std::string> ZipPackage::read(const std::string& part, std::size_t bytes_max) const {
  const zip_int64_t index = zip_name_locate(archive_.get(), part.c_str(), ZIP_FL_NOCASE);
  if (index < 0) return make_error(ErrorCode::not_found, "the package has no " + part);
  zip_stat_t status;
  if (zip_stat_index(archive_.get(), static_cast<zip_uint64_t>(index), 0, &status) != 0) return damaged();
  if ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && status.encryption_method != ZIP_EM_NONE) {
    return make_error(ErrorCode::invalid_argument, "encrypted: remove the password first");
  }
  const std::unique_ptr<zip_file_t, CloseFile> file(
      zip_fopen_index(archive_.get(), static_cast<zip_uint64_t>(index), 0));
  if (file == nullptr) return damaged();
  std::string bytes;
  while (true) {
    const std::size_t filled = bytes.size();
    bytes.resize(filled + kReadBytes);
    const zip_int64_t count = zip_fread(file.get(), bytes.data() + filled, kReadBytes);
    if (count < 0) return damaged();
    bytes.resize(filled + static_cast<std::size_t>(count));
    if (count == 0) return bytes;
    if (bytes.size() > bytes_max) {
      return make_error(ErrorCode::too_large,
                        "a part of the document unpacks to more than " + std::to_string(bytes_max >> 20) + " MiB");
    }
  }
}

}  // namespace ragtime::documents
