// LineFile: a text file line by line, compressed with gzip or not.
//
// Thread safety: an object belongs to one thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"

struct gzFile_s;

namespace ragtime::server {

class LineFile {
 public:
  // Errors: not_found, unavailable.
  static Result<LineFile> open(const std::filesystem::path& file);

  // Without its end (\n or \r\n). False at the end of the file.
  // Errors: corrupt when compressed data is damaged or cut off, too_large for a line over 64 MiB.
  Result<bool> next(std::string& line);

  // "FILE:LINE: message" for the line that next() gave last.
  Error error_here(ErrorCode code, const std::string& message) const;

 private:
  struct Close {
    void operator()(gzFile_s* file) const;
  };
  LineFile(std::string name, gzFile_s* file) : name_(std::move(name)), file_(file) {}
  Result<bool> ended(std::string& line);

  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::size_t number_ = 0;
};

}  // namespace ragtime::server
