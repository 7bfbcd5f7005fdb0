#include "documents/file_parser.h"

#include "documents/file_bytes.h"

namespace ragtime::documents {
namespace {

// Markup and wide encodings make a file larger than its text, but not by more than this.
constexpr std::size_t kMarkupFactorMax = 8;
constexpr std::size_t kOleBytesRead = 8u << 20;

using BytesParser = Result<text::Document> (*)(std::string_view, const ParseOptions&);

Result<text::Document> parse_bytes(BytesParser parser, const std::filesystem::path& path, const ParseOptions& options) {
  const std::size_t bytes_max = options.text_bytes_max * kMarkupFactorMax;
  RAGTIME_TRY(const std::string bytes, read_head(path, bytes_max + 1));
  if (bytes.size() > bytes_max) {
    return make_error(ErrorCode::too_large, "the file is larger than a document of this kind may be, " +
                                                std::to_string(bytes_max >> 20) + " MiB; split it");
  }
  return parser(bytes, options);
}

Result<text::Document> parse_ole(const std::filesystem::path& path) {
  RAGTIME_TRY(const std::string bytes, read_head(path, kOleBytesRead));
  return refuse_ole(bytes);
}

Result<text::Document> dispatch(Format format, const std::filesystem::path& path, const ParseOptions& options) {
  switch (format) {
    case Format::plain_text:
      return parse_bytes(&parse_plain_text, path, options);
    case Format::code:
      return parse_bytes(&parse_code, path, options);
    case Format::delimited:
      return parse_bytes(&parse_delimited, path, options);
    case Format::markdown:
      return parse_bytes(&parse_markdown, path, options);
    case Format::html:
      return parse_bytes(&parse_html, path, options);
    case Format::pdf:
      return parse_pdf(path, options);
    case Format::zip:
      return parse_zip(path, options);
    case Format::ole:
      return parse_ole(path);
  }
  return make_error(ErrorCode::internal, "unknown format");
}

}  // namespace

Result<text::Document> parse_file(Format format, const std::filesystem::path& path, const ParseOptions& options) {
  RAGTIME_TRY(text::Document document, dispatch(format, path, options));
  if (document.blocks.empty()) return make_error(ErrorCode::invalid_argument, "the file has no text");
  return document;
}

}  // namespace ragtime::documents
