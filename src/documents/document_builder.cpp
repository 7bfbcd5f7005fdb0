#include "documents/document_builder.h"

#include <algorithm>
#include <utility>

#include "documents/inline_text.h"
#include "text/utf8.h"

namespace ragtime::documents {
namespace {

bool is_blank(std::string_view line) {
  return std::ranges::all_of(line, [](char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\r'; });
}

bool is_boundary(std::string_view text, std::size_t offset) {
  return offset == text.size() || (static_cast<unsigned char>(text[offset]) & 0xC0) != 0x80;
}

}  // namespace

void DocumentBuilder::add(text::Block block, std::string_view text) {
  if (text.empty() || full_) return;
  std::string& whole = document_.text;
  if (whole.size() + text.size() + 2 > text_bytes_max_) {
    full_ = true;
    return;
  }
  if (!whole.empty()) whole += "\n\n";
  block.begin = whole.size();
  whole += text;
  block.end = whole.size();
  document_.blocks.push_back(std::move(block));
}

Result<text::Document> DocumentBuilder::finish() && {
  if (full_) return text_too_large(text_bytes_max_);
  return std::move(document_);
}

Error text_too_large(std::size_t text_bytes_max) {
  return make_error(ErrorCode::too_large, "the document has more text than the limit of " +
                                              std::to_string(text_bytes_max >> 20) + " MiB; split it");
}

std::string base_name(std::string_view filename) {
  InlineText name;
  name.add(filename.substr(filename.find_last_of('/') + 1));
  return name.take();
}

std::string title_from_filename(std::string_view filename) {
  std::string name = base_name(filename);
  const std::size_t dot = name.find_last_of('.');
  if (dot != std::string::npos && dot > 0) name.erase(dot);
  return name;
}

void complete_title(text::Document& document, std::string_view filename) {
  if (!document.title.empty()) return;
  const auto heading = std::ranges::find(document.blocks, text::BlockKind::heading, &text::Block::kind);
  if (heading != document.blocks.end()) {
    InlineText title;
    title.add(std::string_view(document.text).substr(heading->begin, heading->end - heading->begin));
    document.title = title.take();
  } else {
    document.title = title_from_filename(filename);
  }
}

void add_paragraphs(text::Document& document, ByteRange range, const text::Block& prototype) {
  const std::string_view text = document.text;
  bool open = false;
  for (std::size_t begin = range.begin; begin < range.end;) {
    const std::size_t end = std::min(text.find('\n', begin), range.end);
    if (is_blank(text.substr(begin, end - begin))) {
      open = false;
    } else if (open) {
      document.blocks.back().end = end;
    } else {
      text::Block block = prototype;
      block.begin = begin;
      block.end = end;
      document.blocks.push_back(std::move(block));
      open = true;
    }
    begin = end + 1;
  }
}

bool is_well_formed(const text::Document& document) {
  if (document.text.find('\0') != std::string::npos || !text::is_valid_utf8(document.text)) return false;
  if (!text::is_valid_utf8(document.title) || !text::is_valid_utf8(document.media_type)) return false;
  std::size_t last = 0;
  for (const text::Block& block : document.blocks) {
    if (block.begin < last || block.end <= block.begin || block.end > document.text.size()) return false;
    if (!is_boundary(document.text, block.begin) || !is_boundary(document.text, block.end)) return false;
    if (block.heading_level < 0 || block.heading_level > 6 || block.page < 0) return false;
    if (!text::is_valid_utf8(block.language)) return false;
    last = block.end;
  }
  return true;
}

}  // namespace ragtime::documents
