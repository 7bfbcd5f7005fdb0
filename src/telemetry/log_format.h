// How a log line looks: pure functions from an event to text, without the newline.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "telemetry/log.h"

namespace ragtime::telemetry {

std::string_view name(LogLevel level);

// RFC 3339 in UTC with milliseconds, for example 2025-01-31T09:05:00.042Z.
std::string format_time(std::int64_t unix_milliseconds);

// {"time":…,"level":…,"event":…,fields…}. Always valid JSON: bytes that are not UTF-8 become U+FFFD, numbers that JSON
// does not know become null.
std::string format_json_line(std::int64_t unix_milliseconds, LogLevel level, std::string_view event,
                             std::initializer_list<LogField> fields);

// `event key=value key="quoted value"`. Control characters are escaped, so a value cannot forge a line or move the
// cursor.
std::string format_text_line(std::string_view event, std::initializer_list<LogField> fields);

}  // namespace ragtime::telemetry
