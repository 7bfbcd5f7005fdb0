#include "rag/passage.h"

#include <algorithm>
#include <array>

#include "text/analyzer.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_ascii_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Letters of other scripts start above U+00BF; punctuation, frames and emoji do not count.
bool is_letter_beyond_ascii(char32_t c) {
  const bool is_sign = (c >= 0x2000 && c < 0x3040) || (c >= 0x1F000 && c < 0x1FB00);
  return c >= 0xC0 && !is_sign;
}

bool has_words(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c < 0x80 ? is_ascii_alnum(static_cast<char>(c)) : is_letter_beyond_ascii(c)) return true;
  }
  return false;
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  return line;
}

bool is_fence(std::string_view line) {
  line = trimmed(line);
  return line.starts_with("```") || line.starts_with("~~~");
}

bool is_heading(std::string_view line) {
  const std::size_t level = line.find_first_not_of('#');
  return level != std::string_view::npos && level >= 1 && level <= 6 && line[level] == ' ';
}

bool is_table_line(std::string_view line) {
  return line.size() > 1 && line.front() == '|' && line.find('|', 1) != std::string_view::npos;
}

// "|---|:--:|"
bool is_table_rule(std::string_view line) {
  return is_table_line(line) && line.find('-') != std::string_view::npos &&
         line.find_first_not_of("|-: \t") == std::string_view::npos;
}

// Bytes of a list marker, quote sign, check box or frame at the beginning of a line; 0 when there is none.
std::size_t marker_length(std::string_view line) {
  constexpr std::array<std::string_view, 13> kSigns = {"- ",   "* ",   "+ ", "> ", "• ", "· ", "│",
                                                       "[ ] ", "[x] ", "├─", "└─", "─",  "┃"};
  for (const std::string_view sign : kSigns) {
    if (line.starts_with(sign)) return sign.size();
  }
  const std::size_t digits = line.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || digits > 3) return 0;
  const std::string_view rest = line.substr(digits);
  return rest.starts_with(". ") || rest.starts_with(") ") ? digits + 2 : 0;
}

void trim_marks(std::string_view text, Piece& piece) {
  for (bool more = true; more;) {
    while (piece.begin < piece.end && is_blank(text[piece.begin])) ++piece.begin;
    const std::size_t length = marker_length(piece.of(text));
    piece.begin += length;
    more = length > 0;
  }
  constexpr std::string_view kFrame = "│";
  while (piece.begin < piece.end) {
    if (is_blank(text[piece.end - 1])) {
      --piece.end;
    } else if (piece.of(text).ends_with(kFrame)) {
      piece.end -= kFrame.size();
    } else {
      return;
    }
  }
}

std::string_view line_at(std::string_view text, std::size_t begin) {
  return text.substr(begin, text.find('\n', begin) - begin);
}

// A chunk that is mostly code may still be Markdown around it.
bool has_fence(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::string_view line = line_at(text, begin);
    if (is_fence(line)) return true;
    begin += line.size() + 1;
  }
  return false;
}

// Whether a chunk begins in the middle of fenced code: its first fence names no language, directly follows a line and
// has an empty line or nothing behind it.
bool begins_in_fence(std::string_view text) {
  std::string_view before;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::string_view line = line_at(text, begin);
    begin += line.size() + 1;
    if (is_fence(line)) {
      const bool bare = trimmed(line).find_first_not_of("`~") == std::string_view::npos;
      const bool ends = begin >= text.size() || trimmed(line_at(text, begin)).empty();
      return bare && ends && !trimmed(before).empty();
    }
    before = line;
  }
  return false;
}

class Splitter {
 public:
  explicit Splitter(const text::Chunk& chunk)
      : text_(chunk.text),
        all_code_(chunk.kind == text::ChunkKind::code && !has_fence(chunk.text)),
        in_fence_(begins_in_fence(chunk.text)) {}

  std::vector<Piece> run() {
    for (std::size_t begin = 0; begin < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      take_line(begin, end);
      begin = end + 1;
    }
    flush_prose(text_.size());
    return std::move(pieces_);
  }

 private:
  void take_line(std::size_t begin, std::size_t end) {
    const std::string_view line = trimmed(std::string_view(text_).substr(begin, end - begin));
    if (is_fence(line)) {
      flush_prose(begin);
      in_fence_ = !in_fence_;
      ++block_;
    } else if (in_fence_ || all_code_) {
      add(PieceKind::code, begin, end);
    } else if (is_heading(line)) {
      flush_prose(begin);
      ++block_;
      add(PieceKind::heading, begin, end);
    } else if (is_table_line(line)) {
      flush_prose(begin);
      take_table_line(line, begin, end);
    } else {
      take_prose_line(line, begin);
    }
  }

  void take_table_line(std::string_view line, std::size_t begin, std::size_t end) {
    if (!is_table_rule(line)) return add(PieceKind::table_row, begin, end);
    if (!pieces_.empty() && pieces_.back().kind == PieceKind::table_row && pieces_.back().block == block_) {
      pieces_.back().kind = PieceKind::table_header;
    }
  }

  void take_prose_line(std::string_view line, std::size_t begin) {
    if (line.empty()) {
      flush_prose(begin);
      ++block_;
    } else if (prose_begin_ == kNone) {
      prose_begin_ = begin;
    }
  }

  void flush_prose(std::size_t end) {
    if (prose_begin_ == kNone) return;
    const std::string_view prose = std::string_view(text_).substr(prose_begin_, end - prose_begin_);
    for (const text::Span& span : text::split_sentences(prose)) {
      add(PieceKind::sentence, prose_begin_ + span.begin, prose_begin_ + span.end);
    }
    prose_begin_ = kNone;
  }

  void add(PieceKind kind, std::size_t begin, std::size_t end) {
    Piece piece{kind, begin, end, block_};
    if (kind == PieceKind::sentence || kind == PieceKind::code) trim_marks(text_, piece);
    if (kind == PieceKind::table_row) trim_blanks(piece);
    if (has_words(piece.of(text_))) pieces_.push_back(piece);
  }

  void trim_blanks(Piece& piece) const {
    while (piece.begin < piece.end && is_blank(text_[piece.begin])) ++piece.begin;
    while (piece.end > piece.begin && is_blank(text_[piece.end - 1])) --piece.end;
  }

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  const std::string& text_;
  const bool all_code_;
  bool in_fence_;
  int block_ = 0;
  std::size_t prose_begin_ = kNone;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> split_passage(const text::Chunk& chunk) {
  return Splitter(chunk).run();
}

Citation cite(const engine::SearchHit& hit, std::size_t begin, std::size_t end) {
  const std::string_view chunk = hit.chunk.text;
  Citation citation;
  citation.file_id = hit.file_id;
  citation.filename = hit.filename;
  citation.store_id = hit.store_id;
  citation.chunk_id = hit.chunk_id;
  citation.page = hit.chunk.page_first;
  citation.heading_path = hit.chunk.heading_path;
  citation.quote = chunk.substr(begin, end - begin);
  citation.begin = hit.chunk.begin + text::count_code_points(chunk.substr(0, begin));
  citation.end = citation.begin + text::count_code_points(citation.quote);
  return citation;
}

}  // namespace ragtime::rag
