// SQLite as values and Results: Connection, Statement and the cursor over a row's columns. Private to storage.
//
// A failed prepare or bind is remembered by the Statement and reported by the next step(), so that callers check once.
// Thread safety: a Connection and its Statements belong to one thread at a time.
// Errors: conflict (unique), not_found (a foreign key points nowhere), unavailable (disk, locks), corrupt, internal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ragtime::storage {

class Connection;

// A parameter of a statement that is put together at run time.
using Value = std::variant<std::int64_t, std::string>;

class Statement {
 public:
  Statement(Connection& connection, std::string_view sql);
  ~Statement();  // Gives the compiled statement back to its connection.
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Binds the parameters in order, after those already bound. Copies the values.
  template <class... Values>
  Statement& bind(const Values&... values) {
    (bind_next(values), ...);
    return *this;
  }

  // Moves to the next row; false at the end.
  Result<bool> step();
  // For statements without rows.
  Result<void> run();

 private:
  friend class Columns;

  void bind_next(std::int64_t value);
  void bind_next(int value) { bind_next(static_cast<std::int64_t>(value)); }
  void bind_next(bool value) { bind_next(static_cast<std::int64_t>(value)); }
  void bind_next(std::string_view value);
  void bind_next(const std::string& value) { bind_next(std::string_view(value)); }
  void bind_next(const char* value) { bind_next(std::string_view(value)); }
  void bind_next(const std::optional<std::int64_t>& value);
  void bind_next(const std::optional<double>& value);
  void bind_next(std::span<const float> vector);  // A little-endian blob; NULL when empty.
  void bind_next(const Value& value);
  void note(int code);

  Connection& connection_;
  std::string sql_;
  sqlite3_stmt* statement_ = nullptr;
  int parameter_ = 0;
  std::optional<Error> error_;
};

// Reads the current row's columns from left to right.
class Columns {
 public:
  explicit Columns(const Statement& statement) : statement_(statement.statement_) {}

  std::int64_t integer();
  int small() { return static_cast<int>(integer()); }
  std::string text();
  std::optional<std::int64_t> optional_integer();
  std::optional<double> optional_real();
  std::vector<float> floats();

 private:
  sqlite3_stmt* statement_;
  int column_ = 0;
};

class Connection {
 public:
  enum class Access { read, write };

  // Opens the file (which `write` creates) and sets the connection up: WAL, synchronous=FULL, foreign keys.
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement that gives no rows.
  template <class... Values>
  Result<void> execute(std::string_view sql, const Values&... values) {
    return Statement(*this, sql).bind(values...).run();
  }
  // The first column of the first row; nothing without rows.
  template <class... Values>
  Result<std::optional<std::int64_t>> integer(std::string_view sql, const Values&... values) {
    Statement statement(*this, sql);
    statement.bind(values...);
    return first_integer(statement);
  }
  // Several statements without parameters.
  Result<void> execute_script(const char* sql);

  // Of the last INSERT, UPDATE or DELETE; rows removed by a cascade do not count.
  std::int64_t changes() const;
  std::int64_t last_insert_id() const;
  bool in_transaction() const;

 private:
  friend class Statement;

  Connection(std::filesystem::path file, sqlite3* handle) : file_(std::move(file)), handle_(handle) {}
  static Result<std::optional<std::int64_t>> first_integer(Statement& statement);
  Result<void> configure(Access access);
  sqlite3_stmt* acquire(const std::string& sql, int& code);
  void release(const std::string& sql, sqlite3_stmt* statement);
  Error error(int code) const;

  std::filesystem::path file_;
  sqlite3* handle_;
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;  // Compiled and not in use, by SQL text.
};

}  // namespace ragtime::storage
