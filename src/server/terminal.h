// Terminal: what the command line writes: text with colours where they are welcome, tables, and a progress line.
//
// Colours appear only on a terminal that wants them (NO_COLOR unset, TERM not "dumb"); a progress line that rewrites
// itself only on a terminal, elsewhere a plain line now and then.
// Thread safety: an object belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "server/configuration.h"

namespace ragtime::server {

enum class Style { bold, dim, red, green, yellow, cyan };

class Terminal {
 public:
  Terminal(std::FILE* stream, const Environment& environment);

  bool interactive() const { return interactive_; }
  std::size_t columns() const;  // 80 when not a terminal.

  // `text` in that style, or as it is where colours are not welcome.
  std::string styled(Style style, std::string_view text) const;
  void write(std::string_view text);  // Flushed at once.
  void line(std::string_view text = {});

 private:
  std::FILE* stream_;
  bool interactive_;
  bool colours_;
};

// Columns that the text takes on a terminal: two for wide East Asian characters and emoji, none for combining marks
// and colour codes.
std::size_t display_width(std::string_view utf8);

// The longest prefix that fits, with "…" when something was cut.
std::string fit_columns(std::string_view utf8, std::size_t columns);

// Breaks at spaces and between wide characters so that no line is wider than `columns`.
std::vector<std::string> wrap_columns(std::string_view utf8, std::size_t columns);

// A table of left-aligned columns, two spaces apart; numbers are aligned to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Lines cut to the terminal's width when it is one.
  void print(Terminal& terminal) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

std::string format_bytes(double bytes);                       // "1.2 MB"
std::string format_duration(std::chrono::milliseconds time);  // "350 ms", "4.2 s", "3 min 20 s"
std::string format_count(std::uint64_t count);                // "12,345"

// One line of progress on standard error.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // `quiet` shows nothing at all.
  Progress(Terminal& terminal, std::string unit, std::size_t total, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `details` is shown after the count, for example "1,203 chunks, 85/s".
  void update(std::size_t done, const std::string& details);
  // Removes the line so that other text can be written; the next update shows it again.
  void clear();
  // The line as it would be shown; for tests.
  std::string render(std::size_t done, const std::string& details, std::chrono::milliseconds elapsed) const;

 private:
  Terminal& terminal_;
  const std::string unit_;
  const std::size_t total_;
  const bool quiet_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_;
  bool visible_ = false;
};

}  // namespace ragtime::server
