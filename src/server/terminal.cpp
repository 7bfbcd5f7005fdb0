#include "server/terminal.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unicode/uchar.h>
#include <unistd.h>

#include "text/utf8.h"

namespace ragtime::server {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr auto kPlainLineInterval = std::chrono::seconds(5);

std::string_view code(Style style) {
  switch (style) {
    case Style::bold:
      return "\033[1m";
    case Style::dim:
      return "\033[2m";
    case Style::red:
      return "\033[31m";
    case Style::green:
      return "\033[32m";
    case Style::yellow:
      return "\033[33m";
    case Style::cyan:
      return "\033[36m";
  }
  return "";
}

std::size_t width_of(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  const auto type = u_charType(point);
  if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR || type == U_CONTROL_CHAR)
    return 0;
  const auto width = u_getIntPropertyValue(point, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Moves past a colour code at `at`, if there is one.
bool skip_colour(std::string_view text, std::size_t& at) {
  if (!text.substr(at).starts_with("\033[")) return false;
  const std::size_t end = text.find('m', at);
  at = end == std::string_view::npos ? text.size() : end + 1;
  return true;
}

bool is_number(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,%") == std::string_view::npos;
}

}  // namespace

Terminal::Terminal(std::FILE* stream, const Environment& environment)
    : stream_(stream), interactive_(::isatty(::fileno(stream)) == 1) {
  const auto term = environment("TERM");
  const auto no_color = environment("NO_COLOR");
  colours_ = interactive_ && !(no_color && !no_color->empty()) && term && *term != "dumb";
}

std::size_t Terminal::columns() const {
  winsize size{};
  if (interactive_ && ::ioctl(::fileno(stream_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::styled(Style style, std::string_view text) const {
  if (!colours_) return std::string(text);
  return fmt::format("{}{}\033[0m", code(style), text);
}

void Terminal::write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream_);
  std::fflush(stream_);
}

void Terminal::line(std::string_view text) {
  write(std::string(text) + "\n");
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    if (!skip_colour(utf8, at)) width += width_of(text::next_code_point(utf8, at));
  }
  return width;
}

std::string fit_columns(std::string_view utf8, std::size_t columns) {
  if (display_width(utf8) <= columns) return std::string(utf8);
  if (columns == 0) return "";
  std::string out;
  std::size_t width = 1;  // The ellipsis.
  bool coloured = false;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    if (skip_colour(utf8, at)) {
      coloured = true;
    } else {
      width += width_of(text::next_code_point(utf8, at));
      if (width > columns) break;
    }
    out += utf8.substr(begin, at - begin);
  }
  return out + "…" + (coloured ? "\033[0m" : "");
}

std::vector<std::string> wrap_columns(std::string_view utf8, std::size_t columns) {
  std::vector<std::string> lines;
  std::string line;
  std::size_t width = 0, space = std::string::npos, space_width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const bool colour = skip_colour(utf8, at);
    const char32_t c = colour ? 0 : text::next_code_point(utf8, at);
    const std::size_t added = colour ? 0 : width_of(c);
    if (c == '\n' || (width + added > columns && !line.empty())) {
      std::string rest;
      if (c != '\n' && c != ' ' && added < 2 && space != std::string::npos) {
        rest = line.substr(space + 1);
        line.resize(space);
        width -= space_width;
      } else {
        width = 0;
      }
      lines.push_back(std::exchange(line, std::move(rest)));
      space = std::string::npos;
      if (c == '\n' || c == ' ') continue;
    }
    if (c == ' ') {
      space = line.size();
      space_width = width + 1;
    }
    line += utf8.substr(begin, at - begin);
    width += added;
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {}

void Table::row(std::vector<std::string> cells) {
  cells.resize(header_.size());
  rows_.push_back(std::move(cells));
}

void Table::print(Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < header_.size(); ++i) {
    std::size_t width = display_width(header_[i]);
    for (const auto& cells : rows_) width = std::max(width, display_width(cells[i]));
    widths.push_back(width);
  }
  const auto print_row = [&](const std::vector<std::string>& cells, bool heading) {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - display_width(cells[i]), ' ');
      const bool last = i + 1 == cells.size();
      out += is_number(cells[i]) ? padding + cells[i] : cells[i] + (last ? "" : padding);
      if (!last) out += "  ";
    }
    out.resize(out.find_last_not_of(' ') + 1);
    if (terminal.interactive()) out = fit_columns(out, terminal.columns());
    terminal.line(heading ? terminal.styled(Style::bold, out) : out);
  };
  if (std::any_of(header_.begin(), header_.end(), [](const auto& cell) { return !cell.empty(); })) {
    print_row(header_, true);
  }
  for (const auto& cells : rows_) print_row(cells, false);
}

std::string format_bytes(double bytes) {
  if (bytes < 1000) return fmt::format("{:.0f} B", bytes);
  for (const char* unit : {"kB", "MB", "GB"}) {
    bytes /= 1000;
    if (bytes < 1000) return fmt::format("{:.{}f} {}", bytes, bytes < 100 ? 1 : 0, unit);
  }
  return fmt::format("{:.1f} TB", bytes / 1000);
}

std::string format_duration(std::chrono::milliseconds time) {
  const auto ms = time.count();
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 60'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
  const auto seconds = ms / 1000;
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

Progress::Progress(Terminal& terminal, std::string unit, std::size_t total, bool quiet)
    : terminal_(terminal), unit_(std::move(unit)), total_(total), quiet_(quiet), last_shown_(start_) {
  if (terminal_.interactive()) last_shown_ -= kRedrawInterval;  // The first update shows at once.
}

Progress::~Progress() {
  clear();
}

void Progress::update(std::size_t done, const std::string& details) {
  if (quiet_) return;
  const auto now = Clock::now();
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - start_);
  const bool interactive = terminal_.interactive();
  if (now - last_shown_ < (interactive ? Clock::duration(kRedrawInterval) : Clock::duration(kPlainLineInterval)))
    return;
  last_shown_ = now;
  const std::string text = render(done, details, elapsed);
  if (!interactive) return terminal_.line(text);
  terminal_.write("\r\033[K" + fit_columns(text, terminal_.columns() - 1));
  visible_ = true;
}

void Progress::clear() {
  if (visible_) terminal_.write("\r\033[K");
  visible_ = false;
}

std::string Progress::render(std::size_t done, const std::string& details, std::chrono::milliseconds elapsed) const {
  constexpr std::size_t kBarCells = 20;
  std::string out;
  if (terminal_.interactive()) {
    const std::size_t filled = total_ == 0 ? kBarCells : done * kBarCells / total_;
    for (std::size_t i = 0; i < kBarCells; ++i) out += i < filled ? "█" : "░";
    out += " ";
  }
  out += fmt::format("{}/{} {}", format_count(done), format_count(total_), unit_);
  if (!details.empty()) out += ", " + details;
  if (done > 0 && done < total_) {
    const auto left = elapsed * static_cast<std::int64_t>(total_ - done) / static_cast<std::int64_t>(done);
    out += ", " + format_duration(std::max(left, std::chrono::milliseconds(1000))) + " left";
  }
  return out;
}

}  // namespace ragtime::server
