#include "server/user_words_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "text/utf8.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error cannot_use(ErrorCode code, const fs::path& file, std::string_view why) {
  return make_error(code, fmt::format("retrieval.user_words: {} {}", file.string(), why), "retrieval.user_words");
}

Result<std::string> read_text(const fs::path& file) {
  std::error_code failure;
  const auto status = fs::status(file, failure);
  if (!fs::exists(status)) return cannot_use(ErrorCode::not_found, file, "does not exist");
  if (!fs::is_regular_file(status)) return cannot_use(ErrorCode::unavailable, file, "is not a file");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  // One byte more tells a file that is too large, also one that grows meanwhile.
  std::string text(kUserWordsBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad()) {
    return cannot_use(ErrorCode::unavailable, file, fmt::format("cannot be read: {}", std::strerror(errno)));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Result<std::shared_ptr<const text::UserWords>> read_user_words(const fs::path& file) {
  RAGTIME_TRY(const std::string text, read_text(file));
  if (text.size() > kUserWordsBytesMax) {
    return cannot_use(ErrorCode::too_large, file, fmt::format("has more than {} MiB", kUserWordsBytesMax >> 20));
  }
  if (!text::is_valid_utf8(text)) return cannot_use(ErrorCode::invalid_argument, file, "is not UTF-8 text");
  std::string_view lines = text;
  if (lines.starts_with(kByteOrderMark)) lines.remove_prefix(kByteOrderMark.size());
  return std::make_shared<const text::UserWords>(lines);
}

}  // namespace ragtime::server
