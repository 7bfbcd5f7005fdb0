#include "storage/sqlite_database.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "storage/schema.h"

namespace ragtime::storage {
namespace {

constexpr std::size_t kIdleReadersMax = 8;

// SQLite gives its side files the mode of the database, so that the mode is decided here.
Result<void> create_private(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return make_error(ErrorCode::unavailable, "cannot open " + file.string() + ": " + std::strerror(errno) +
                                                  "; check that the directory exists and is writable");
  }
  ::close(descriptor);
  return {};
}

}  // namespace

Result<std::unique_ptr<Connection>> ReaderPool::acquire() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return Connection::open(file_, Connection::Access::read);
}

void ReaderPool::release(std::unique_ptr<Connection> connection) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleReadersMax) idle_.push_back(std::move(connection));
}

Result<std::unique_ptr<Database>> open_sqlite(const std::filesystem::path& file) {
  RAGTIME_TRY_DONE(create_private(file));
  RAGTIME_TRY(auto writer, Connection::open(file, Connection::Access::write));
  RAGTIME_TRY_DONE(migrate(*writer));
  return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(file, std::move(writer)));
}

Result<void> check_sqlite(const std::filesystem::path& file) {
  RAGTIME_TRY(auto connection, Connection::open(file, Connection::Access::read));
  Statement statement(*connection, "PRAGMA quick_check(1)");
  RAGTIME_TRY(const bool any, statement.step());
  const std::string finding = any ? Columns(statement).text() : "no answer";
  if (finding == "ok") return {};
  return make_error(ErrorCode::corrupt, "the database is damaged: " + finding);
}

}  // namespace ragtime::storage
