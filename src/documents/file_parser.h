// The parsers of the single formats: pure functions from bytes or a file to a Document.
//
// They trust nothing in the file but do not defend the process: hostile input may cost memory and time without a
// bound of their own, which is why all but plain text and code run in the worker.
// Thread safety: safe from any thread.
// Errors of all: invalid_argument (damaged, encrypted, no text), unsupported, too_large (over text_bytes_max).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "documents/format.h"
#include "text/document.h"

namespace ragtime::documents {

struct ParseOptions {
  std::string filename;  // As the user knows it: gives the language of code and a title of last resort.
  std::size_t text_bytes_max = 64u << 20;
};

Result<text::Document> parse_plain_text(std::string_view bytes, const ParseOptions& options);
Result<text::Document> parse_delimited(std::string_view bytes, const ParseOptions& options);
Result<text::Document> parse_code(std::string_view bytes, const ParseOptions& options);

// The document's text is the Markdown source itself; front matter is in no block.
Result<text::Document> parse_markdown(std::string_view bytes, const ParseOptions& options);

Result<text::Document> parse_html(std::string_view bytes, const ParseOptions& options);

// Runs poppler's pdftotext. Beside the common errors: unavailable when it is not installed.
Result<text::Document> parse_pdf(const std::filesystem::path& path, const ParseOptions& options);

// A Word document, or another ZIP package, which is refused by name.
Result<text::Document> parse_zip(const std::filesystem::path& path, const ParseOptions& options);

// Always an error, which says whether the container holds an encrypted document or one in an old format.
Result<text::Document> refuse_ole(std::string_view bytes);

// Any of them. Never returns a document without a block.
Result<text::Document> parse_file(Format format, const std::filesystem::path& path, const ParseOptions& options);

}  // namespace ragtime::documents
