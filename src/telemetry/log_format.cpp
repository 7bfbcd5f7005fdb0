#include "telemetry/log_format.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <type_traits>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace ragtime::telemetry {
namespace {

// The length of the UTF-8 sequence at the start of `text`, or 0 when it is not a well-formed one (Unicode, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continued = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continued(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return continued(1) && continued(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return continued(1) && continued(2) && continued(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
  } else {
    out += c;
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 1) {
      append_ascii(out, text[0]);
    } else if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

void append_number(std::string& out, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{}", value);
  } else {
    out += "null";
  }
}

bool plain(std::string_view text) {
  const auto good = [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '=' && c != '\\'; };
  return !text.empty() && std::ranges::all_of(text, good);
}

void append_value(std::string& out, const LogField& field, bool always_quote) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          if (always_quote || !plain(value)) {
            append_quoted(out, value);
          } else {
            out += value;
          }
        } else if constexpr (std::is_same_v<T, double>) {
          append_number(out, value);
        } else {
          fmt::format_to(std::back_inserter(out), "{}", value);
        }
      },
      field.value);
}

}  // namespace

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

std::string format_time(std::int64_t unix_milliseconds) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_milliseconds)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds.time_since_epoch().count()),
                     (time - seconds).count());
}

std::string format_json_line(std::int64_t unix_milliseconds, LogLevel level, std::string_view event,
                             std::initializer_list<LogField> fields) {
  std::string out = fmt::format(R"({{"time":"{}","level":"{}","event":)", format_time(unix_milliseconds), name(level));
  append_quoted(out, event);
  for (const auto& field : fields) {
    out += ',';
    append_quoted(out, field.key);
    out += ':';
    append_value(out, field, true);
  }
  out += '}';
  return out;
}

std::string format_text_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string out(event);
  for (const auto& field : fields) {
    out += ' ';
    out += field.key;
    out += '=';
    append_value(out, field, false);
  }
  return out;
}

}  // namespace ragtime::telemetry
