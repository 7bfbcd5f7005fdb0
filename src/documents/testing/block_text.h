// Shorthand of the tests for what a parser made.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "documents/document_builder.h"
#include "documents/file_parser.h"
#include "text/document.h"

namespace ragtime::documents::testing {

inline std::string block_text(const text::Document& document, std::size_t index) {
  const text::Block& block = document.blocks.at(index);
  return document.text.substr(block.begin, block.end - block.begin);
}

// "heading1:Title", "paragraph:words", "code[cpp]:int i;" in order.
inline std::vector<std::string> outline(const text::Document& document) {
  static const char* const kNames[] = {"heading", "paragraph", "list", "table", "code", "quote"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < document.blocks.size(); ++i) {
    const text::Block& block = document.blocks[i];
    std::string line = kNames[static_cast<int>(block.kind)];
    if (block.heading_level > 0) line += std::to_string(block.heading_level);
    if (!block.language.empty()) line += "[" + block.language + "]";
    lines.push_back(line + ":" + block_text(document, i));
  }
  return lines;
}

inline ParseOptions named(std::string filename) {
  return ParseOptions{std::move(filename)};
}

}  // namespace ragtime::documents::testing
