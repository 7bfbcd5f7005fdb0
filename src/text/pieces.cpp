#include "text/pieces.h"

#include <algorithm>

#include <unicode/uchar.h>

#include "text/analyzer.h"
#include "text/chunker.h"
#include "text/utf8.h"

namespace ragtime::text {
namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kBlanks) == std::string_view::npos;
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

// Marks, joiners and modifiers that belong to the character before them.
bool extends_character(char32_t c) {
  const auto unicode = static_cast<UChar32>(c);
  return c >= 0x300 && (u_hasBinaryProperty(unicode, UCHAR_GRAPHEME_EXTEND) || c == 0x200D ||
                        u_hasBinaryProperty(unicode, UCHAR_EMOJI_MODIFIER));
}

bool ends_clause(char32_t c) {
  return c == ',' || c == ';' || c == ':' || c == U'，' || c == U'；' || c == U'、' || c == U'：' || c == '\n';
}

// Whether a word may end between two characters.
bool is_word_end(char32_t before, char32_t after) {
  if (extends_character(after) || before == 0x200D) return false;
  const auto is_space = [](char32_t c) { return c == ' ' || c == '\n' || c == '\t' || c == U'　'; };
  if (is_space(after)) return false;
  return is_space(before) || is_cjk(before) || is_cjk(after) || before >= 0x2E80;
}

class PieceCutter {
 public:
  PieceCutter(std::string_view text, int tokens_max, std::vector<Piece>& pieces)
      : text_(text), tokens_max_(std::max(1, tokens_max)), pieces_(pieces) {}

  void cut(const Block& block, std::size_t index, Boundary first) {
    block_ = index;
    switch (block.kind) {
      case BlockKind::heading:
        add(block.begin, block.end, first);
        break;
      case BlockKind::code:
        cut_code(block, first);
        break;
      case BlockKind::table:
        cut_table(block, first);
        break;
      default:
        cut_prose(block, first);
        break;
    }
  }

 private:
  void cut_prose(const Block& block, Boundary first) {
    const std::vector<Span> sentences = split_sentences(text_.substr(block.begin, block.end - block.begin));
    std::size_t begin = block.begin;
    Boundary boundary = first;
    for (std::size_t i = 1; i < sentences.size(); ++i) {
      const std::size_t end = block.begin + sentences[i].begin;
      const std::size_t sentence_end = block.begin + sentences[i - 1].end;
      add(begin, end, boundary);
      boundary = boundary_of_gap(text_.substr(sentence_end, end - sentence_end), block.kind);
      begin = end;
    }
    add(begin, block.end, boundary);
  }

  static Boundary boundary_of_gap(std::string_view gap, BlockKind kind) {
    const auto breaks = std::count(gap.begin(), gap.end(), '\n');
    if (breaks >= 2) return Boundary::block;
    return breaks == 1 && kind == BlockKind::list ? Boundary::item : Boundary::sentence;
  }

  void cut_code(const Block& block, Boundary first) {
    std::string_view before;
    bool after_blank = false;
    for_each_line(block, [&](std::size_t begin, std::size_t end) {
      const std::string_view line = text_.substr(begin, end - begin);
      if (is_blank(line) && !pieces_.empty() && pieces_.back().end == begin && begin > block.begin) {
        extend_last(end);
        after_blank = true;
        return;
      }
      add(begin, end, begin == block.begin ? first : boundary_of_code(before, line, after_blank));
      before = line;
      after_blank = false;
    });
  }

  // A definition begins at the margin, after a blank line or after an indented or closing line.
  static Boundary boundary_of_code(std::string_view before, std::string_view line, bool after_blank) {
    const bool at_margin = indentation(line) == 0;
    const bool closes = line[indentation(line)] == '}' || line[indentation(line)] == ')';
    const bool opens_next = !before.empty() && (indentation(before) > 0 || before[0] == '}');
    if (at_margin && !closes && (after_blank || opens_next)) return Boundary::block;
    return after_blank ? Boundary::item : Boundary::sentence;
  }

  // The header row, and the rule below it, stay with the first row of data.
  void cut_table(const Block& block, Boundary first) {
    std::size_t row = 0;
    std::size_t glued_rows = 1;
    for_each_line(block, [&](std::size_t begin, std::size_t end) {
      const std::string_view line = text_.substr(begin, end - begin);
      const bool is_rule = row == 1 && line.find_first_not_of("|-:+= \t\n") == std::string_view::npos;
      glued_rows += is_rule;
      add(begin, end, row == 0 ? first : row <= glued_rows ? Boundary::glued : Boundary::sentence);
      ++row;
    });
  }

  template <class Visit>
  void for_each_line(const Block& block, Visit visit) const {
    for (std::size_t begin = block.begin; begin < block.end;) {
      const std::size_t line_end = text_.find('\n', begin);
      const std::size_t end = line_end == std::string_view::npos ? block.end : std::min(block.end, line_end + 1);
      visit(begin, end);
      begin = end;
    }
  }

  void extend_last(std::size_t end) { pieces_.back().end = end; }

  void add(std::size_t begin, std::size_t end, Boundary boundary) {
    if (begin == end) return;
    const int tokens = count_tokens(text_.substr(begin, end - begin));
    if (tokens > tokens_max_) return add_parts(begin, end, boundary);
    pieces_.push_back({begin, end, tokens, boundary, block_});
  }

  // A part ends at its last clause when that is in its second half, else at its last word.
  void add_parts(std::size_t begin, std::size_t end, Boundary boundary) {
    int tokens = 0;
    for (std::size_t position = begin; position < end;) {
      const std::size_t word_begin = position;
      const std::size_t word_end = end_of_word(position, end);
      const int word_tokens = count_tokens(text_.substr(word_begin, word_end - word_begin));
      while (tokens > 0 && tokens + word_tokens > tokens_max_) {
        boundary = push_part(begin, word_begin, boundary);
        begin = pieces_.back().end;
        tokens = count_tokens(text_.substr(begin, word_begin - begin));
      }
      tokens += word_tokens;
      position = word_end;
    }
    pieces_.push_back({begin, end, count_tokens(text_.substr(begin, end - begin)), boundary, block_});
  }

  // Returns the boundary before what follows.
  Boundary push_part(std::size_t begin, std::size_t end, Boundary boundary) {
    const std::size_t clause_end = last_clause_end(begin, end);
    const std::size_t part_end = clause_end > begin ? clause_end : end;
    pieces_.push_back({begin, part_end, count_tokens(text_.substr(begin, part_end - begin)), boundary, block_});
    return clause_end > begin ? Boundary::clause : Boundary::word;
  }

  // `begin` when no clause ends in the second half.
  std::size_t last_clause_end(std::size_t begin, std::size_t end) const {
    std::size_t found = begin;
    for (std::size_t position = begin; position < end;) {
      const char32_t c = next_code_point(text_, position);
      if (!ends_clause(c) || position == end) continue;
      const std::size_t next = std::min(text_.find_first_not_of(kBlanks, position), end);
      const bool is_end = next > position || c == '\n' || c >= 0x2E80;
      if (is_end && next - begin > (end - begin) / 2) found = next;
    }
    return found;
  }

  // A word with the blanks behind it; a word that is too long by itself is cut between characters.
  std::size_t end_of_word(std::size_t begin, std::size_t end) const {
    std::size_t position = begin;
    char32_t before = next_code_point(text_, position);
    for (int characters = 1; position < end; ++characters) {
      std::size_t next = position;
      const char32_t after = next_code_point(text_, next);
      if (is_word_end(before, after) || characters >= tokens_max_) break;
      before = after;
      position = next;
    }
    return position;
  }

  std::string_view text_;
  int tokens_max_;
  std::vector<Piece>& pieces_;
  std::size_t block_ = 0;
};

// A heading stays with what follows, a sentence that ends in a colon prefers to.
Boundary boundary_between(std::string_view text, const Block& before, const Block& block) {
  if (before.kind == BlockKind::heading) return Boundary::glued;
  if (block.kind == BlockKind::heading) return Boundary::section;
  std::string_view content = text.substr(before.begin, before.end - before.begin);
  content = content.substr(0, content.find_last_not_of(kBlanks) + 1);
  return content.ends_with(':') || content.ends_with("：") ? Boundary::clause : Boundary::block;
}

}  // namespace

std::vector<Piece> cut_into_pieces(std::string_view text, const std::vector<Block>& blocks, int tokens_max) {
  std::vector<Piece> pieces;
  PieceCutter cutter(text, tokens_max, pieces);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    cutter.cut(blocks[i], i, i == 0 ? Boundary::section : boundary_between(text, blocks[i - 1], blocks[i]));
  }
  return pieces;
}

}  // namespace ragtime::text
