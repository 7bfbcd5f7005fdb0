#include "storage/sqlite.h"

#include <bit>
#include <cstring>

#include <sqlite3.h>

namespace ragtime::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "stored vectors are little-endian");

constexpr int kBusyTimeoutMs = 10'000;
constexpr std::size_t kIdleStatementsMax = 128;

ErrorCode code_of(int extended) {
  if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY) return ErrorCode::conflict;
  if (extended == SQLITE_CONSTRAINT_FOREIGNKEY) return ErrorCode::not_found;
  switch (extended & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return ErrorCode::unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::corrupt;
    default:
      return ErrorCode::internal;
  }
}

std::string explain(int extended, const std::string& file) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return "the disk that holds " + file + " is full; free some space and retry";
    case SQLITE_READONLY:
      return "cannot write " + file + "; check its permissions";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return "cannot open " + file + "; check that the directory exists and is writable";
    case SQLITE_IOERR:
      return "reading or writing " + file + " failed; check the disk";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return file + " is locked by another process; retry";
    case SQLITE_CORRUPT:
      return file + " is damaged; restore a backup";
    case SQLITE_NOTADB:
      return file + " is not a database";
    case SQLITE_CONSTRAINT:
      return "the change contradicts what is stored";
    default:
      return "the database failed";
  }
}

}  // namespace

Statement::Statement(Connection& connection, std::string_view sql) : connection_(connection), sql_(sql) {
  int code = SQLITE_OK;
  statement_ = connection_.acquire(sql_, code);
  note(code);
}

Statement::~Statement() {
  if (statement_ != nullptr) connection_.release(sql_, statement_);
}

void Statement::note(int code) {
  if (code != SQLITE_OK && !error_) error_ = connection_.error(code);
}

void Statement::bind_next(std::int64_t value) {
  if (!error_) note(sqlite3_bind_int64(statement_, ++parameter_, value));
}

void Statement::bind_next(std::string_view value) {
  // A null pointer would bind NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  if (!error_) {
    note(sqlite3_bind_text64(statement_, ++parameter_, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
}

void Statement::bind_next(const std::optional<std::int64_t>& value) {
  if (value) return bind_next(*value);
  if (!error_) note(sqlite3_bind_null(statement_, ++parameter_));
}

void Statement::bind_next(const std::optional<double>& value) {
  if (!value) return bind_next(std::optional<std::int64_t>());
  if (!error_) note(sqlite3_bind_double(statement_, ++parameter_, *value));
}

void Statement::bind_next(std::span<const float> vector) {
  if (vector.empty()) return bind_next(std::optional<std::int64_t>());
  if (!error_) {
    note(sqlite3_bind_blob64(statement_, ++parameter_, vector.data(), vector.size_bytes(), SQLITE_TRANSIENT));
  }
}

void Statement::bind_next(const Value& value) {
  std::visit([this](const auto& held) { bind_next(held); }, value);
}

Result<bool> Statement::step() {
  if (error_) return *error_;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  note(code);
  return *error_;
}

Result<void> Statement::run() {
  RAGTIME_TRY(bool row, step());
  while (row) {
    RAGTIME_TRY(row, step());
  }
  return {};
}

std::int64_t Columns::integer() {
  return sqlite3_column_int64(statement_, column_++);
}

std::string Columns::text() {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column_));
  const int bytes = sqlite3_column_bytes(statement_, column_++);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(bytes));
}

std::optional<std::int64_t> Columns::optional_integer() {
  if (sqlite3_column_type(statement_, column_) == SQLITE_NULL) {
    ++column_;
    return std::nullopt;
  }
  return integer();
}

std::optional<double> Columns::optional_real() {
  const int column = column_++;
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_double(statement_, column);
}

std::vector<float> Columns::floats() {
  const void* data = sqlite3_column_blob(statement_, column_);
  const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_++));
  std::vector<float> values(bytes / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), data, values.size() * sizeof(float));
  return values;
}

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, Access access) {
  sqlite3* handle = nullptr;
  const int create = access == Access::write ? SQLITE_OPEN_CREATE : 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | create;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(file, handle));
  if (code != SQLITE_OK) return connection->error(code);
  RAGTIME_TRY_DONE(connection->configure(access));
  return connection;
}

Result<void> Connection::configure(Access access) {
  sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
  RAGTIME_TRY_DONE(execute_script("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"));
  if (access == Access::read) return execute_script("PRAGMA query_only = ON");
  return execute_script("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864;");
}

Connection::~Connection() {
  for (auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Result<void> Connection::execute_script(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<std::optional<std::int64_t>> Connection::first_integer(Statement& statement) {
  RAGTIME_TRY(const bool row, statement.step());
  if (!row) return std::optional<std::int64_t>();
  return Columns(statement).optional_integer();
}

sqlite3_stmt* Connection::acquire(const std::string& sql, int& code) {
  if (auto found = idle_.find(sql); found != idle_.end()) {
    sqlite3_stmt* statement = found->second;
    idle_.erase(found);
    return statement;
  }
  sqlite3_stmt* statement = nullptr;
  code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                            nullptr);
  return statement;
}

void Connection::release(const std::string& sql, sqlite3_stmt* statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (idle_.size() < kIdleStatementsMax) {
    idle_.emplace(sql, statement);
  } else {
    sqlite3_finalize(statement);
  }
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_);
}
std::int64_t Connection::last_insert_id() const {
  return sqlite3_last_insert_rowid(handle_);
}
bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(handle_) == 0;
}

Error Connection::error(int code) const {
  const std::string detail = handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_);
  return make_error(code_of(code), explain(code, file_.string()) + " (" + detail + ")");
}

}  // namespace ragtime::storage
