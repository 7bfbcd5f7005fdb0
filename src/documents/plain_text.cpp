#include <algorithm>
#include <string>
#include <utility>

#include "documents/document_builder.h"
#include "documents/file_parser.h"
#include "text/encoding.h"

namespace ragtime::documents {
namespace {

// A document with the decoded bytes as its text, and no blocks yet.
Result<text::Document> decode(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(text::DecodedText decoded, text::decode_text(bytes));
  if (decoded.text.size() > options.text_bytes_max) return text_too_large(options.text_bytes_max);
  const NameHint hint = hint_from_name(options.filename);
  text::Document document;
  document.media_type = hint.media_type.empty() ? "text/plain" : hint.media_type;
  document.title = title_from_filename(options.filename);
  document.text = std::move(decoded.text);
  return document;
}

}  // namespace

Result<text::Document> parse_plain_text(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(text::Document document, decode(bytes, options));
  add_paragraphs(document, {0, document.text.size()}, text::Block{});
  return document;
}

Result<text::Document> parse_code(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(text::Document document, decode(bytes, options));
  text::Block prototype;
  prototype.kind = text::BlockKind::code;
  prototype.language = hint_from_name(options.filename).language;
  document.title = base_name(options.filename);
  add_paragraphs(document, {0, document.text.size()}, prototype);
  return document;
}

Result<text::Document> parse_delimited(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(text::Document document, decode(bytes, options));
  const std::size_t begin = document.text.find_first_not_of(" \t\n");
  if (begin == std::string::npos) return document;
  text::Block table;
  table.kind = text::BlockKind::table;
  table.begin = begin;
  table.end = document.text.find_last_not_of(" \t\n") + 1;
  document.blocks.push_back(std::move(table));
  return document;
}

}  // namespace ragtime::documents
