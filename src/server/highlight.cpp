#include "server/highlight.h"

#include <algorithm>
#include <set>

#include "text/utf8.h"

namespace ragtime::server {
namespace {

using Terms = std::set<std::string>;

bool is_word_character(char32_t c) {
  if (c < 0x80) return std::isalnum(static_cast<int>(c)) || c == '_';
  return !text::is_cjk(c) && c >= 0xC0 && !(c >= 0x2000 && c <= 0x206F) && !(c >= 0x3000 && c <= 0x303F) &&
         !(c >= 0xFF00 && c <= 0xFF0F);
}

bool contains_term(std::string_view word, const Terms& terms) {
  const auto found = text::analyze(word);
  return std::any_of(found.begin(), found.end(), [&](const auto& term) { return terms.contains(term); });
}

void append(std::vector<text::Span>& spans, text::Span span) {
  if (!spans.empty() && span.begin <= spans.back().end) {
    spans.back().end = std::max(spans.back().end, span.end);
  } else {
    spans.push_back(span);
  }
}

std::string on_one_line(std::string_view passage) {
  std::string out;
  for (const char c : passage) {
    const bool space = c == '\n' || c == '\t' || c == ' ';
    if (!space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  return out;
}

// The first beginning of a word at or after `at`, but not after `limit`.
std::size_t word_start(std::string_view line, std::size_t at, std::size_t limit) {
  if (at == 0) return 0;
  const std::size_t space = line.find(' ', at - 1);
  return space != std::string_view::npos && space < limit ? space + 1 : at;
}

// Where a window of that many code points covers most marked bytes; it begins a little before the first of them.
std::size_t best_start(std::string_view line, const std::vector<text::Span>& spans, std::size_t code_points) {
  std::size_t best = 0, best_covered = 0;
  for (const auto& first : spans) {
    const std::size_t end = first.begin + text::byte_offset(line.substr(first.begin), code_points * 3 / 4);
    std::size_t covered = 0;
    for (const auto& span : spans) {
      if (span.begin >= first.begin && span.end <= end) covered += span.end - span.begin;
    }
    if (covered > best_covered) {
      best = first.begin;
      best_covered = covered;
    }
  }
  const std::size_t before = text::count_code_points(line.substr(0, best));
  return word_start(line, text::byte_offset(line, before > code_points / 4 ? before - code_points / 4 : 0), best);
}

}  // namespace

std::vector<text::Span> find_terms(std::string_view passage, std::string_view query) {
  const auto analyzed = text::analyze(query);
  const Terms terms(analyzed.begin(), analyzed.end());
  std::vector<text::Span> out;
  std::size_t word_begin = std::string_view::npos, previous = 0;
  char32_t previous_character = 0;
  const auto end_word = [&](std::size_t end) {
    if (word_begin != std::string_view::npos && contains_term(passage.substr(word_begin, end - word_begin), terms)) {
      append(out, {word_begin, end});
    }
    word_begin = std::string_view::npos;
  };
  for (std::size_t at = 0; at < passage.size();) {
    const std::size_t begin = at;
    const char32_t c = text::next_code_point(passage, at);
    if (is_word_character(c)) {
      if (word_begin == std::string_view::npos) word_begin = begin;
    } else {
      end_word(begin);
    }
    if (text::is_cjk(c)) {
      const bool pair =
          text::is_cjk(previous_character) && terms.contains(std::string(passage.substr(previous, at - previous)));
      if (pair) append(out, {previous, at});
      if (terms.contains(std::string(passage.substr(begin, at - begin)))) append(out, {begin, at});
    }
    previous = begin;
    previous_character = c;
  }
  end_word(passage.size());
  return out;
}

std::string make_snippet(std::string_view passage, std::string_view query, std::size_t code_points,
                         const std::function<std::string(std::string_view)>& mark) {
  const std::string line = on_one_line(passage);
  const auto spans = find_terms(line, query);
  const std::size_t begin = best_start(line, spans, code_points);
  const std::size_t end = begin + text::byte_offset(std::string_view(line).substr(begin), code_points);
  std::string out = begin > 0 ? "…" : "";
  std::size_t at = begin;
  for (const auto& span : spans) {
    if (span.end <= begin || span.begin >= end) continue;
    const std::size_t from = std::max(span.begin, at), to = std::min(span.end, end);
    out += line.substr(at, from - at) + mark(std::string_view(line).substr(from, to - from));
    at = to;
  }
  out += line.substr(at, end - at);
  return out + (end < line.size() ? "…" : "");
}

}  // namespace ragtime::server
