// DataDirectory: the directory that holds everything a Ragtime keeps, owned by one process at a time.
//
// Layout: ragtime.lock (flock, with the owner's pid), server.json (while a server runs), ragtime.db, files/, index/
// (snapshots of indexes, which may be deleted), models/, log/. The directory is created with mode 0700.
// Thread safety: one object belongs to one thread; the lock excludes other processes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace ragtime::server {

// How the command line on the same machine reaches the running server.
struct ServerDescription {
  std::string url;  // "http://127.0.0.1:8000"
  int pid = 0;
  std::string token;  // Presented instead of a key; new at each start.
};

class DataDirectory {
 public:
  // Creates the directory when missing and takes the lock.
  // Errors: unavailable (not writable; says why), conflict (another process has it; names its pid).
  static Result<DataDirectory> open(const std::filesystem::path& directory);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;
  ~DataDirectory();  // Removes server.json if this object wrote it, and releases the lock.

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database_file() const { return path_ / "ragtime.db"; }
  std::filesystem::path files() const { return path_ / "files"; }
  std::filesystem::path index() const { return path_ / "index"; }
  std::filesystem::path models() const { return path_ / "models"; }

  // Writes server.json (mode 0600, whole or not at all).
  Result<void> announce(const ServerDescription& server);
  // Removes server.json again; before the server stops answering.
  void withdraw();

 private:
  DataDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
  bool announced_ = false;
};

// The server that runs on the directory, if there is one: server.json is there and its process holds the lock.
std::optional<ServerDescription> find_running_server(const std::filesystem::path& directory);

}  // namespace ragtime::server
