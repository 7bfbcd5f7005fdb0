#include "text/chunker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/outline.h"
#include "text/pieces.h"
#include "text/utf8.h"

namespace ragtime::text {
namespace {

constexpr std::array<std::pair<std::string_view, ChunkingStrategy>, 6> kStrategies = {{
    {"auto", ChunkingStrategy::automatic},
    {"prose", ChunkingStrategy::prose},
    {"markdown", ChunkingStrategy::markdown},
    {"code", ChunkingStrategy::code},
    {"table", ChunkingStrategy::table},
    {"characters", ChunkingStrategy::characters},
}};

constexpr std::string_view kBlanks = " \t\n\r\f\v";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kBlanks) == std::string_view::npos;
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool is_source_code(std::string_view media_type) {
  constexpr std::array kApplicationTypes = {"application/json", "application/javascript", "application/xml",
                                            "application/x-sh", "application/toml",       "application/yaml"};
  return media_type.starts_with("text/x-") ||
         std::find(kApplicationTypes.begin(), kApplicationTypes.end(), media_type) != kApplicationTypes.end();
}

// Blocks that are in order, not empty and inside the text, whatever the parser made.
std::vector<Block> sound_blocks(const Document& document) {
  std::vector<Block> blocks;
  std::size_t position = 0;
  for (Block block : document.blocks) {
    block.begin = std::clamp(block.begin, position, document.text.size());
    block.end = std::clamp(block.end, block.begin, document.text.size());
    if (block.begin == block.end) continue;
    position = block.end;
    blocks.push_back(std::move(block));
  }
  if (blocks.empty() && !is_blank(document.text)) blocks.push_back({.begin = 0, .end = document.text.size()});
  return blocks;
}

// 0 when the line is not a Markdown heading.
int heading_level(std::string_view line) {
  const std::size_t level = std::min(line.find_first_not_of('#'), line.size());
  return level >= 1 && level <= 6 && level < line.size() && line[level] == ' ' ? static_cast<int>(level) : 0;
}

// Cuts a block of plain text at its lines that are Markdown headings.
void split_at_headings(std::string_view text, const Block& block, std::vector<Block>& blocks) {
  Block rest = block;
  for (std::size_t begin = block.begin; begin < block.end;) {
    const std::size_t end = std::min(text.find('\n', begin), block.end - 1) + 1;
    if (const int level = heading_level(text.substr(begin, end - begin)); level > 0) {
      if (rest.begin < begin)
        blocks.push_back({.kind = rest.kind, .begin = rest.begin, .end = begin, .page = rest.page});
      blocks.push_back(
          {.kind = BlockKind::heading, .begin = begin, .end = end, .page = rest.page, .heading_level = level});
      rest.begin = end;
    }
    begin = end;
  }
  if (rest.begin < rest.end) blocks.push_back(std::move(rest));
}

std::vector<Block> find_markdown_headings(std::string_view text, std::vector<Block> blocks) {
  const auto is_heading = [](const Block& block) { return block.kind == BlockKind::heading; };
  if (std::any_of(blocks.begin(), blocks.end(), is_heading)) return blocks;
  std::vector<Block> result;
  for (Block& block : blocks) {
    if (block.kind == BlockKind::paragraph) {
      split_at_headings(text, block, result);
    } else {
      result.push_back(std::move(block));
    }
  }
  return result;
}

// The blocks with the kinds by which the strategy wants them cut. Headings stay what they are.
std::vector<Block> blocks_for(const Document& document, ChunkingStrategy strategy) {
  std::vector<Block> blocks = sound_blocks(document);
  if (strategy == ChunkingStrategy::markdown) return find_markdown_headings(document.text, std::move(blocks));
  const bool is_code = strategy == ChunkingStrategy::automatic && is_source_code(document.media_type);
  for (Block& block : blocks) {
    if (block.kind == BlockKind::heading) continue;
    if (strategy == ChunkingStrategy::prose && block.kind != BlockKind::list) block.kind = BlockKind::paragraph;
    if (strategy == ChunkingStrategy::code || (is_code && block.kind == BlockKind::paragraph)) {
      block.kind = BlockKind::code;
    }
    if (strategy == ChunkingStrategy::table) block.kind = BlockKind::table;
  }
  return blocks;
}

// Upper bounds of the token counts of ranges of pieces, with what lies between the pieces.
class PieceCosts {
 public:
  PieceCosts(std::string_view text, const std::vector<Piece>& pieces) : sums_(1, 0) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t gap_begin = i == 0 ? pieces[i].begin : pieces[i - 1].end;
      gaps_.push_back(count_tokens(text.substr(gap_begin, pieces[i].begin - gap_begin)));
      sums_.push_back(sums_.back() + gaps_.back() + pieces[i].tokens);
    }
  }

  int cost(std::size_t begin, std::size_t end) const {
    return begin >= end ? 0 : sums_[end] - sums_[begin] - gaps_[begin];
  }

 private:
  std::vector<int> gaps_;  // Before each piece.
  std::vector<int> sums_;
};

// Packs a run of pieces into chunks of even size, cut at the best boundaries.
class Packer {
 public:
  Packer(const std::vector<Piece>& pieces, const PieceCosts& costs, int size, int overlap)
      : pieces_(pieces), costs_(costs), size_(size), overlap_(overlap) {}

  void pack(std::size_t begin, std::size_t end, std::vector<Range>& ranges) const {
    std::size_t covered = begin;
    while (covered < end) {
      const std::size_t cut = choose_end(begin, covered, end);
      ranges.push_back({begin, cut});
      begin = cut < end ? choose_begin(begin, cut) : cut;
      covered = cut;
    }
  }

 private:
  // Behind the last piece of a chunk that begins at `begin` and covers more than `covered`.
  std::size_t choose_end(std::size_t begin, std::size_t covered, std::size_t end) const {
    if (costs_.cost(begin, end) <= size_) return end;
    const int target = balanced_target(costs_.cost(begin, end));
    std::size_t best = covered + 1;
    for (std::size_t cut = covered + 1; cut < end && costs_.cost(begin, cut) <= size_; ++cut) {
      if (cut == covered + 1 || is_better_end(begin, cut, best, target)) best = cut;
    }
    return best;
  }

  // An even share of what is left, so that no small rest remains.
  int balanced_target(int remaining) const {
    const int fresh = size_ - overlap_;
    const int chunks = (remaining - overlap_ + fresh - 1) / fresh;
    return std::min(size_, (remaining + (chunks - 1) * overlap_) / std::max(1, chunks) + 1);
  }

  bool is_better_end(std::size_t begin, std::size_t cut, std::size_t best, int target) const {
    const bool is_glued = pieces_[cut].boundary == Boundary::glued;
    if (is_glued && pieces_[best].boundary != Boundary::glued) return false;
    if (costs_.cost(begin, best) * 5 < target * 3) return true;
    if (pieces_[cut].boundary != pieces_[best].boundary) return pieces_[cut].boundary > pieces_[best].boundary;
    const auto distance = [&](std::size_t end) { return std::abs(costs_.cost(begin, end) - target); };
    return distance(cut) <= distance(best);
  }

  // The earliest good boundary within the overlap; none across sections.
  std::size_t choose_begin(std::size_t begin, std::size_t cut) const {
    if (pieces_[cut].boundary == Boundary::section) return cut;
    std::size_t earliest = cut;
    std::size_t best = cut;
    for (std::size_t next = cut; next-- > begin + 1 && fits_overlap(next, cut);) {
      if (pieces_[next].boundary > Boundary::glued) earliest = next;
      if (pieces_[next].boundary >= Boundary::sentence) best = next;
      if (pieces_[next].boundary == Boundary::section) break;
    }
    return best < cut ? best : earliest;
  }

  bool fits_overlap(std::size_t next, std::size_t cut) const {
    return costs_.cost(next, cut) <= overlap_ && costs_.cost(next, cut + 1) <= size_;
  }

  const std::vector<Piece>& pieces_;
  const PieceCosts& costs_;
  int size_;
  int overlap_;
};

// Turns byte ranges, in order, into chunks.
class Describer {
 public:
  Describer(std::string_view text, const std::vector<Block>& blocks, const std::vector<Section>& sections)
      : text_(text), blocks_(blocks), sections_(sections) {}

  Chunk describe(Range range) {
    Chunk chunk;
    chunk.ordinal = next_ordinal_++;
    chunk.text = text_.substr(range.begin, range.end - range.begin);
    code_point_ += count_code_points(text_.substr(byte_, range.begin - byte_));
    byte_ = range.begin;
    chunk.begin = code_point_;
    chunk.end = code_point_ + count_code_points(chunk.text);
    chunk.tokens = count_tokens(chunk.text);
    describe_blocks(range, chunk);
    return chunk;
  }

 private:
  void describe_blocks(Range range, Chunk& chunk) {
    while (block_ < blocks_.size() && blocks_[block_].end <= range.begin) ++block_;
    std::size_t table_bytes = 0;
    std::size_t code_bytes = 0;
    std::size_t bytes = 0;
    std::size_t last = block_;
    for (std::size_t i = block_; i < blocks_.size() && blocks_[i].begin < range.end; ++i) {
      const Block& block = blocks_[i];
      const std::size_t shared = std::min(block.end, range.end) - std::max(block.begin, range.begin);
      bytes += shared;
      table_bytes += block.kind == BlockKind::table ? shared : 0;
      code_bytes += block.kind == BlockKind::code ? shared : 0;
      if (chunk.page_first == 0) chunk.page_first = block.page;
      chunk.page_last = std::max(chunk.page_last, block.page);
      last = i;
    }
    if (table_bytes * 2 > bytes) chunk.kind = ChunkKind::table;
    if (code_bytes * 2 > bytes) chunk.kind = ChunkKind::code;
    chunk.heading_path = describe_sections(range, last);
  }

  std::string describe_sections(Range range, std::size_t last_block) {
    while (section_ + 1 < sections_.size() && sections_[section_].block_end <= block_) ++section_;
    std::size_t longest = section_;
    std::size_t longest_bytes = 0;
    std::size_t end = section_;
    for (; end < sections_.size() && sections_[end].block_begin <= last_block; ++end) {
      const std::size_t section_begin = blocks_[sections_[end].block_begin].begin;
      const std::size_t section_end = blocks_[sections_[end].block_end - 1].end;
      const std::size_t from = std::max(section_begin, range.begin);
      const std::size_t shared = std::max(from, std::min(section_end, range.end)) - from;
      if (shared > longest_bytes) longest = end;
      longest_bytes = std::max(longest_bytes, shared);
    }
    return heading_path(sections_, section_, std::max(end, section_ + 1), longest);
  }

  std::string_view text_;
  const std::vector<Block>& blocks_;
  const std::vector<Section>& sections_;
  int next_ordinal_ = 0;
  // Where the chunk before began; chunks begin in order.
  std::size_t byte_ = 0;
  std::size_t code_point_ = 0;
  std::size_t block_ = 0;
  std::size_t section_ = 0;
};

// Windows of code points over everything from the first block to the last.
std::vector<Range> character_windows(std::string_view text, const std::vector<Block>& blocks, int size, int overlap) {
  std::vector<Range> ranges;
  const std::size_t last = blocks.back().end;
  for (std::size_t begin = blocks.front().begin; begin < last;) {
    const std::string_view rest = text.substr(begin, last - begin);
    const std::size_t end = begin + byte_offset(rest, static_cast<std::size_t>(size));
    ranges.push_back({begin, end});
    if (end == last) break;
    begin += byte_offset(rest, static_cast<std::size_t>(size - overlap));
  }
  return ranges;
}

// First pieces of the runs that are packed each by itself, and the number of pieces.
std::vector<std::size_t> runs_of_pieces(const std::vector<Piece>& pieces, const PieceCosts& costs,
                                        const std::vector<Section>& sections, int size) {
  std::vector<std::size_t> firsts;
  for (std::size_t section = 0, piece = 0; section < sections.size(); ++section) {
    while (piece < pieces.size() && pieces[piece].block < sections[section].block_begin) ++piece;
    firsts.push_back(piece);
  }
  firsts.push_back(pieces.size());
  std::vector<int> tokens;
  for (std::size_t i = 0; i + 1 < firsts.size(); ++i) tokens.push_back(costs.cost(firsts[i], firsts[i + 1]));
  std::vector<std::size_t> runs;
  for (const std::size_t section : group_sections(sections, tokens, size)) runs.push_back(firsts[section]);
  runs.push_back(pieces.size());
  return runs;
}

std::vector<Range> structured_ranges(std::string_view text, const std::vector<Block>& blocks,
                                     const std::vector<Section>& sections, ChunkingStrategy strategy, int size,
                                     int overlap) {
  const int finest = overlap > 0 ? std::min(overlap, size / 2) / 2 : size / 2;
  const std::vector<Piece> pieces = cut_into_pieces(text, blocks, std::max(1, finest));
  const PieceCosts costs(text, pieces);
  const bool by_section = strategy == ChunkingStrategy::automatic || strategy == ChunkingStrategy::markdown;
  const std::vector<std::size_t> runs =
      by_section ? runs_of_pieces(pieces, costs, sections, size) : std::vector<std::size_t>{0, pieces.size()};
  std::vector<Range> ranges;
  const Packer packer(pieces, costs, size, overlap);
  for (std::size_t i = 0; i + 1 < runs.size(); ++i) packer.pack(runs[i], runs[i + 1], ranges);
  for (Range& range : ranges) range = {pieces[range.begin].begin, pieces[range.end - 1].end};
  return ranges;
}

}  // namespace

Result<ChunkingStrategy> parse_chunking_strategy(std::string_view name) {
  for (const auto& [known, strategy] : kStrategies) {
    if (name == known) return strategy;
  }
  return make_error(
      ErrorCode::invalid_argument,
      "unknown chunking strategy \"" + std::string(name) + "\"; use auto, prose, markdown, code, table or characters",
      "chunking_strategy");
}

std::vector<Chunk> chunk_document(const Document& document, const ChunkingOptions& options) {
  const int size = std::max(1, options.size);
  const int overlap = std::clamp(options.overlap, 0, size / 2);
  const std::vector<Block> blocks = blocks_for(document, options.strategy);
  std::vector<Chunk> chunks;
  if (blocks.empty()) return chunks;
  const std::vector<Section> sections = make_sections(document.text, blocks);
  const std::vector<Range> ranges =
      options.strategy == ChunkingStrategy::characters
          ? character_windows(document.text, blocks, size, overlap)
          : structured_ranges(document.text, blocks, sections, options.strategy, size, overlap);
  Describer describer(document.text, blocks, sections);
  for (const Range& range : ranges) chunks.push_back(describer.describe(range));
  return chunks;
}

}  // namespace ragtime::text
