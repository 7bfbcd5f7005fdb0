#include "server/data_directory.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kLockFile = "ragtime.lock";
constexpr const char* kServerFile = "server.json";

Error not_usable(const fs::path& directory, int error) {
  return make_error(ErrorCode::unavailable,
                    fmt::format("the data directory {} cannot be used: {}", directory.string(), std::strerror(error)));
}

Result<void> create_private(const fs::path& directory) {
  std::error_code failure;
  if (fs::is_directory(directory, failure)) return {};
  if (directory.has_parent_path()) fs::create_directories(directory.parent_path(), failure);
  if (failure) return not_usable(directory, failure.value());
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return not_usable(directory, errno);
  return fs::is_directory(directory, failure) ? Result<void>() : not_usable(directory, ENOTDIR);
}

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string owner_of(const fs::path& directory) {
  std::string pid = read_text(directory / kLockFile);
  while (!pid.empty() && std::isspace(static_cast<unsigned char>(pid.back()))) pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

void write_pid(int file) {
  const std::string text = fmt::format("{}\n", ::getpid());
  // Only for messages: the lock itself does not depend on the content.
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, text.data(), text.size(), 0) < 0) errno = 0;
}

bool is_locked(const fs::path& directory) {
  const int file = ::open((directory / kLockFile).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool locked = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return locked;
}

Result<void> write_private(const fs::path& file, const std::string& text) {
  const fs::path temporary = file.string() + ".new";
  const int out = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) return not_usable(file.parent_path(), errno);
  const bool written = ::write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  ::close(out);
  if (!written) return not_usable(file.parent_path(), error);
  if (::rename(temporary.c_str(), file.c_str()) != 0) return not_usable(file.parent_path(), errno);
  return {};
}

}  // namespace

Result<DataDirectory> DataDirectory::open(const fs::path& given) {
  const fs::path directory = fs::absolute(given).lexically_normal();
  RAGTIME_TRY_DONE(create_private(directory));
  const int file = ::open((directory / kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return not_usable(directory, errno);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(file);
    if (error != EWOULDBLOCK) return not_usable(directory, error);
    return make_error(ErrorCode::conflict, fmt::format("the data directory {} is in use by {}; stop it, or choose "
                                                       "another directory with --data-dir",
                                                       directory.string(), owner_of(directory)));
  }
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    const int error = errno;
    ::close(file);
    return not_usable(directory, error);
  }
  write_pid(file);
  std::error_code ignored;
  fs::remove(directory / kServerFile, ignored);  // Left by a server that was killed.
  return DataDirectory(directory, file);
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      announced_(std::exchange(other.announced_, false)) {}

DataDirectory::~DataDirectory() {
  withdraw();
  if (lock_ >= 0) ::close(lock_);
}

Result<void> DataDirectory::announce(const ServerDescription& server) {
  const json::object description{{"url", server.url}, {"pid", server.pid}, {"token", server.token}};
  RAGTIME_TRY_DONE(write_private(path_ / kServerFile, json::serialize(description) + "\n"));
  announced_ = true;
  return {};
}

void DataDirectory::withdraw() {
  std::error_code ignored;
  if (std::exchange(announced_, false)) fs::remove(path_ / kServerFile, ignored);
}

std::optional<ServerDescription> find_running_server(const fs::path& directory) {
  if (!is_locked(directory)) return std::nullopt;
  json::error_code failure;
  const json::value parsed = json::parse(read_text(directory / kServerFile), failure);
  if (failure || !parsed.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto* value = parsed.get_object().if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  ServerDescription out{text("url"), 0, text("token")};
  if (const auto* pid = parsed.get_object().if_contains("pid"); pid && pid->is_int64()) {
    out.pid = static_cast<int>(pid->get_int64());
  }
  return out.url.empty() ? std::nullopt : std::optional(out);
}

}  // namespace ragtime::server
