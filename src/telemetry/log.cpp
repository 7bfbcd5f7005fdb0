#include "telemetry/log.h"

#include <chrono>
#include <exception>

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "telemetry/log_format.h"

namespace ragtime::telemetry {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

class SpdLogger final : public Logger {
 public:
  SpdLogger(spdlog::sink_ptr sink, const LogConfig& config) : json_(config.json), out_("ragtime", std::move(sink)) {
    // The colour sink colours what stands between the carets, and only when it writes to a terminal.
    out_.set_pattern(json_ ? "%v" : "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
    out_.set_level(spdlog_level(config.level));
    out_.flush_on(spdlog::level::trace);
  }

  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) override {
    if (!out_.should_log(spdlog_level(level))) return;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const std::string line =
        json_ ? format_json_line(milliseconds, level, event, fields) : format_text_line(event, fields);
    out_.log(spdlog_level(level), spdlog::string_view_t(line));
  }

 private:
  const bool json_;
  spdlog::logger out_;
};

class NullLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace

Result<std::unique_ptr<Logger>> Logger::open(const LogConfig& config) {
  try {
    spdlog::sink_ptr sink;
    if (config.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.file);
    }
    return std::unique_ptr<Logger>(std::make_unique<SpdLogger>(std::move(sink), config));
  } catch (const std::exception& error) {
    return make_error(ErrorCode::unavailable, "cannot open the log file " + config.file + ": " + error.what(),
                      "log.file");
  }
}

std::unique_ptr<Logger> Logger::null() {
  return std::make_unique<NullLogger>();
}

}  // namespace ragtime::telemetry
