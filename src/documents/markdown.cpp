#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include "documents/allocation.h"
#include "documents/document_builder.h"
#include "documents/file_parser.h"
#include "documents/inline_text.h"
#include "text/encoding.h"

namespace ragtime::documents {
namespace {

struct ParserDeleter {
  void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
};
struct NodeDeleter {
  void operator()(cmark_node* node) const { cmark_node_free(node); }
};
struct IteratorDeleter {
  void operator()(cmark_iter* iterator) const { cmark_iter_free(iterator); }
};
using NodePointer = std::unique_ptr<cmark_node, NodeDeleter>;

cmark_mem allocator() {
  return {&allocate_zeroed_or_stop, &reallocate_or_stop, &std::free};
}

NodePointer parse_source(std::string_view source, cmark_mem& memory) {
  cmark_gfm_core_extensions_ensure_registered();
  const std::unique_ptr<cmark_parser, ParserDeleter> parser(cmark_parser_new_with_mem(CMARK_OPT_DEFAULT, &memory));
  for (const char* name : {"table", "strikethrough", "autolink", "tasklist"}) {
    if (cmark_syntax_extension* extension = cmark_find_syntax_extension(name)) {
      cmark_parser_attach_syntax_extension(parser.get(), extension);
    }
  }
  cmark_parser_feed(parser.get(), source.data(), source.size());
  return NodePointer(cmark_parser_finish(parser.get()));
}

// Byte offsets of the beginnings of lines, and one past the last line.
std::vector<std::size_t> line_starts(std::string_view text) {
  std::vector<std::size_t> starts{0};
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    starts.push_back(at + 1);
  }
  if (starts.back() != text.size()) starts.push_back(text.size());
  return starts;
}

// YAML between "---" lines, or TOML between "+++" lines, at the very beginning. Zero when there is none.
std::size_t front_matter_end(std::string_view text) {
  const std::string_view fence = text.substr(0, 4);
  if (fence != "---\n" && fence != "+++\n") return 0;
  const std::string closing = "\n" + std::string(fence.substr(0, 3));
  for (std::size_t at = text.find(closing, 3); at != std::string_view::npos; at = text.find(closing, at + 1)) {
    const std::size_t after = at + closing.size();
    if (after == text.size()) return after;
    if (text[after] == '\n') return after + 1;
  }
  return 0;
}

std::string_view trim(std::string_view text, std::string_view signs) {
  const std::size_t begin = text.find_first_not_of(signs);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(signs) - begin + 1);
}

std::string front_matter_title(std::string_view matter) {
  for (std::size_t begin = 0; begin < matter.size();) {
    const std::size_t end = std::min(matter.find('\n', begin), matter.size());
    std::string_view line = matter.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with("title")) continue;
    line = trim(line.substr(5), " \t");
    if (line.starts_with(':') || line.starts_with('=')) return std::string(trim(line.substr(1), " \t'\""));
  }
  return {};
}

std::string inline_text(cmark_node* node) {
  InlineText text;
  const std::unique_ptr<cmark_iter, IteratorDeleter> iterator(cmark_iter_new(node));
  for (auto event = cmark_iter_next(iterator.get()); event != CMARK_EVENT_DONE;
       event = cmark_iter_next(iterator.get())) {
    cmark_node* child = cmark_iter_get_node(iterator.get());
    const cmark_node_type type = cmark_node_get_type(child);
    if (event != CMARK_EVENT_ENTER) continue;
    if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE) text.add(cmark_node_get_literal(child));
    if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK) text.add("\n");
  }
  return text.take();
}

bool is_html_comment(cmark_node* node) {
  const std::string_view html = trim(cmark_node_get_literal(node), " \t\n");
  return html.starts_with("<!--") && html.find("-->") == html.size() - 3;
}

std::string code_language(cmark_node* node) {
  const std::string_view info = cmark_node_get_fence_info(node);
  std::string language(info.substr(0, info.find_first_of(" \t,{:")));
  if (info.starts_with('{')) language = trim(info.substr(0, info.find_first_of(" }")), "{.");
  return language;
}

// The block that a top-level node is; false for nodes that carry no words.
bool describe(cmark_node* node, text::Block& block) {
  const cmark_node_type type = cmark_node_get_type(node);
  if (type == CMARK_NODE_HEADING) {
    block.kind = text::BlockKind::heading;
    block.heading_level = cmark_node_get_heading_level(node);
  } else if (type == CMARK_NODE_LIST) {
    block.kind = text::BlockKind::list;
  } else if (type == CMARK_NODE_CODE_BLOCK) {
    block.kind = text::BlockKind::code;
    block.language = code_language(node);
  } else if (type == CMARK_NODE_BLOCK_QUOTE) {
    block.kind = text::BlockKind::quote;
  } else if (type == CMARK_NODE_HTML_BLOCK) {
    return !is_html_comment(node);
  } else if (type == CMARK_NODE_THEMATIC_BREAK) {
    return false;
  } else if (std::string_view(cmark_node_get_type_string(node)) == "table") {
    block.kind = text::BlockKind::table;
  }
  return true;
}

bool is_underline(std::string_view line) {
  line = trim(line, " \t");
  return !line.empty() && (line.find_first_not_of('=') == std::string_view::npos ||
                           line.find_first_not_of('-') == std::string_view::npos);
}

// Whole lines, because a nested block's columns leave out the markers before it; without white space at the ends.
class BlockRanges {
 public:
  BlockRanges(std::string_view text, std::size_t offset)
      : text_(text), offset_(offset), starts_(line_starts(text.substr(offset))) {}

  ByteRange lines_of(cmark_node* node, bool heading) {
    const std::size_t first = clamp_line(cmark_node_get_start_line(node) - 1);
    const std::size_t last = heading ? heading_end(first) : clamp_line(cmark_node_get_end_line(node));
    ByteRange range{std::max(offset_ + starts_[first], previous_end_), offset_ + starts_[std::max(last, first)]};
    while (range.end > range.begin && is_space(text_[range.end - 1])) --range.end;
    while (range.begin < range.end && text_[range.begin] == '\n') ++range.begin;
    previous_end_ = std::max(previous_end_, range.end);
    return range;
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }
  std::size_t clamp_line(int line) const {
    return std::min(static_cast<std::size_t>(std::max(line, 0)), starts_.size() - 1);
  }
  // One past the heading's last line with words. The parser's own end of an underlined heading is not reliable.
  std::size_t heading_end(std::size_t first) const {
    if (trim(line(first), " ").starts_with('#')) return first + 1;
    std::size_t end = first + 1;
    while (end + 1 < starts_.size() && !is_underline(line(end))) ++end;
    return end;
  }
  std::string_view line(std::size_t number) const {
    return trim(text_.substr(offset_ + starts_[number], starts_[number + 1] - starts_[number]), "\n");
  }

  std::string_view text_;
  std::size_t offset_;
  std::vector<std::size_t> starts_;
  std::size_t previous_end_ = 0;
};

void add_blocks(text::Document& document, cmark_node* root, std::size_t offset) {
  BlockRanges ranges(document.text, offset);
  for (cmark_node* node = cmark_node_first_child(root); node != nullptr; node = cmark_node_next(node)) {
    text::Block block;
    const bool has_words = describe(node, block);
    const ByteRange range = ranges.lines_of(node, block.kind == text::BlockKind::heading);
    if (!has_words || range.begin >= range.end) continue;
    if (block.kind == text::BlockKind::heading && document.title.empty()) document.title = inline_text(node);
    block.begin = range.begin;
    block.end = range.end;
    document.blocks.push_back(std::move(block));
  }
}

}  // namespace

Result<text::Document> parse_markdown(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(text::DecodedText decoded, text::decode_text(bytes));
  if (decoded.text.size() > options.text_bytes_max) return text_too_large(options.text_bytes_max);
  text::Document document;
  document.media_type = "text/markdown";
  document.text = std::move(decoded.text);
  const std::size_t offset = front_matter_end(document.text);
  document.title = front_matter_title(std::string_view(document.text).substr(0, offset));
  cmark_mem memory = allocator();
  const NodePointer root = parse_source(std::string_view(document.text).substr(offset), memory);
  add_blocks(document, root.get(), offset);
  if (document.title.empty()) document.title = title_from_filename(options.filename);
  return document;
}

}  // namespace ragtime::documents
