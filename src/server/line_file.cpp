#include "server/line_file.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

namespace ragtime::server {
namespace {

constexpr std::size_t kLineBytesMax = 64u << 20;
constexpr int kPieceBytes = 64 << 10;

void remove_line_end(std::string& line) {
  if (line.ends_with('\n')) line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
}

}  // namespace

void LineFile::Close::operator()(gzFile_s* file) const {
  gzclose_r(file);
}

Result<LineFile> LineFile::open(const std::filesystem::path& file) {
  // Reads what is not compressed as it is.
  gzFile opened = gzopen(file.c_str(), "rbe");
  if (opened == nullptr) {
    const int error = errno;
    return make_error(error == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable,
                      fmt::format("{} cannot be read: {}", file.string(), std::strerror(error)));
  }
  return LineFile(file.string(), opened);
}

Result<bool> LineFile::next(std::string& line) {
  line.clear();
  char piece[kPieceBytes];
  while (gzgets(file_.get(), piece, kPieceBytes) != nullptr) {
    line += piece;
    if (line.ends_with('\n')) {
      ++number_;
      remove_line_end(line);
      return true;
    }
    if (line.size() > kLineBytesMax) {
      ++number_;
      return error_here(ErrorCode::too_large, "a line of more than 64 MiB");
    }
  }
  return ended(line);
}

// At the end of the file, or where it cannot be read any further.
Result<bool> LineFile::ended(std::string& line) {
  int code = Z_OK;
  gzerror(file_.get(), &code);
  if (code == Z_ERRNO) return error_here(ErrorCode::unavailable, "cannot be read: input/output error");
  if (code != Z_OK) {
    ++number_;
    return error_here(ErrorCode::corrupt, "the compressed data is damaged or cut off; get the file again");
  }
  if (line.empty()) return false;
  ++number_;
  remove_line_end(line);
  return true;
}

Error LineFile::error_here(ErrorCode code, const std::string& message) const {
  return make_error(code, fmt::format("{}:{}: {}", name_, number_, message));
}

}  // namespace ragtime::server
