// Document: what a parser makes of a file, and Chunk: what the chunker makes of a Document.
//
// The whole text of a document is one UTF-8 string; blocks and chunks are ranges of it. That makes every citation
// checkable: a chunk's text is exactly the document's text between its offsets, never rewritten.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ragtime::text {

enum class BlockKind { heading, paragraph, list, table, code, quote };

struct Block {
  BlockKind kind = BlockKind::paragraph;
  std::size_t begin = 0;  // Byte offsets into Document::text, on code point boundaries; end is exclusive.
  std::size_t end = 0;
  int page = 0;           // 1-based; 0 where the format has no pages.
  int heading_level = 0;  // 1..6 for headings.
  std::string language;   // Of code, when known ("cpp", "python").
};

struct Document {
  std::string title;          // From the metadata or the first heading; else the file name without its extension.
  std::string media_type;     // "application/pdf", "text/markdown", "text/x-c++" …
  std::string text;           // Valid UTF-8, NFC is not forced, line ends are \n, no NUL.
  std::vector<Block> blocks;  // In order, not overlapping; text between blocks is white space or markup.
  int pages = 0;
};

enum class ChunkKind { prose, table, code };

struct Chunk {
  int ordinal = 0;  // 0-based position within the document.
  ChunkKind kind = ChunkKind::prose;
  std::string text;       // == code points [begin, end) of the document's text.
  std::size_t begin = 0;  // Unicode code points.
  std::size_t end = 0;
  int page_first = 0;  // 1-based; 0 where the format has no pages.
  int page_last = 0;
  std::string heading_path;  // "Install › From source"; empty outside any heading.
  int tokens = 0;            // By count_tokens(), an estimate.
};

}  // namespace ragtime::text
