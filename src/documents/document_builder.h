// DocumentBuilder: puts blocks one after the other into a Document, within a limit.
//
// Thread safety: an object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/document.h"

namespace ragtime::documents {

class DocumentBuilder {
 public:
  explicit DocumentBuilder(std::size_t text_bytes_max) : text_bytes_max_(text_bytes_max) {}

  // Appends a block with this text (valid UTF-8), an empty line after the block before. `block` gives the kind, page,
  // level and language. Empty texts are left out, as is everything past the limit.
  void add(text::Block block, std::string_view text);

  bool full() const { return full_; }
  bool empty() const { return document_.blocks.empty(); }
  text::Document& document() { return document_; }

  // Errors: too_large when the limit was passed.
  Result<text::Document> finish() &&;

 private:
  const std::size_t text_bytes_max_;
  text::Document document_;
  bool full_ = false;
};

Error text_too_large(std::size_t text_bytes_max);

// The last part of a path, as valid UTF-8 on one line.
std::string base_name(std::string_view filename);

// The title of a document that names none: its file's name without the extension.
std::string title_from_filename(std::string_view filename);

// Fills an empty title from the first heading, else from the file's name.
void complete_title(text::Document& document, std::string_view filename);

// One block per run of lines without an empty line between them, over `range` of the document's text.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};
void add_paragraphs(text::Document& document, ByteRange range, const text::Block& prototype);

// Whether blocks are in order, within the text and on code point boundaries, and the text is what document.h says.
bool is_well_formed(const text::Document& document);

}  // namespace ragtime::documents
