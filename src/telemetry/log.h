// Structured log: one JSON object per line with time, level, event and fields; or readable text on a terminal.
//
// `event` is a stable snake_case name to search for ("request", "document_ingested"); everything variable is a field.
// Thread safety: every member may be called from any thread; lines are never interleaved.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace ragtime::telemetry {

enum class LogLevel { debug, info, warning, error };

struct LogField {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

struct LogConfig {
  LogLevel level = LogLevel::info;
  bool json = true;
  std::string file;  // Empty: standard error.
};

class Logger {
 public:
  // Errors: unavailable when the file cannot be opened.
  static Result<std::unique_ptr<Logger>> open(const LogConfig& config);
  // Discards everything; for tests.
  static std::unique_ptr<Logger> null();
  virtual ~Logger() = default;

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::info, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::error, event, fields);
  }

  virtual void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) = 0;
};

}  // namespace ragtime::telemetry
