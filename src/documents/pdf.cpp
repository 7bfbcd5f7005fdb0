#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>

#include "documents/child_program.h"
#include "documents/document_builder.h"
#include "documents/file_parser.h"
#include "documents/inline_text.h"
#include "text/utf8.h"

namespace ragtime::documents {
namespace {

constexpr std::size_t kInfoBytesMax = 256u << 10;

bool contains(std::string_view text, std::string_view needle) {
  return text.find(needle) != std::string_view::npos;
}

Error explain_failure(const ProgramOutput& output) {
  if (contains(output.err, "Incorrect password")) {
    return make_error(ErrorCode::invalid_argument, "encrypted: remove the password first");
  }
  if (output.exit_code == -SIGXCPU) return make_error(ErrorCode::deadline_exceeded, "reading the PDF takes too long");
  if (contains(output.err, "Out of memory") || contains(output.err, "bad_alloc")) {
    return make_error(ErrorCode::too_large, "the PDF needs more memory than its parser may use");
  }
  return make_error(ErrorCode::invalid_argument, "damaged: not a readable PDF");
}

Error explain_no_text(const ProgramOutput& output) {
  if (contains(output.err, "Missing language pack")) {
    return make_error(ErrorCode::unavailable, "the PDF's fonts need the package poppler-data, which is not installed");
  }
  if (!contains(output.out, "\f")) {
    return make_error(ErrorCode::invalid_argument, "damaged: no page of the PDF can be read");
  }
  return make_error(ErrorCode::invalid_argument, "no text: a scanned PDF? run OCR first");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// Columns that a line takes, with CJK signs two wide.
std::size_t width(std::string_view line) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < line.size();)
    columns += is_written_without_spaces(text::next_code_point(line, at)) ? 2 : 1;
  return columns;
}

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool starts_item(std::string_view line) {
  static constexpr std::string_view kBullets[] = {"•", "●", "○", "■", "▪", "◦", "–", "- ", "* "};
  if (std::ranges::any_of(kBullets, [&](std::string_view bullet) { return line.starts_with(bullet); })) return true;
  const std::size_t digits = line.find_first_not_of("0123456789");
  return digits != std::string_view::npos && digits > 0 && digits <= 3 && (line[digits] == '.' || line[digits] == ')');
}

// Whether a line was wrapped where it ends: it goes on in lower case, or it fills most of its paragraph's width.
bool is_wrapped(std::string_view line, std::string_view next, std::size_t paragraph_width) {
  if (starts_item(next)) return false;
  if (is_lower(next.front())) return true;
  return width(line) * 4 >= paragraph_width * 3;
}

// Takes the hyphen off a word that goes on, in lower case, on the next line.
std::string_view without_hyphen(std::string_view line, std::string_view next, bool& joined) {
  joined = line.size() > 2 && line.ends_with('-') && is_lower(line[line.size() - 2]) && is_lower(next.front());
  return joined ? line.substr(0, line.size() - 1) : line;
}

std::string join_lines(const std::vector<std::string_view>& lines) {
  std::size_t paragraph_width = 0;
  for (const std::string_view line : lines) paragraph_width = std::max(paragraph_width, width(line));
  InlineText text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool last = i + 1 == lines.size();
    bool hyphenated = false;
    text.add(last ? lines[i] : without_hyphen(lines[i], lines[i + 1], hyphenated));
    if (last || hyphenated) continue;
    if (is_wrapped(lines[i], lines[i + 1], paragraph_width)) {
      text.add("\n");
    } else {
      text.start_line();
    }
  }
  return text.take();
}

bool is_page_number(std::string_view text) {
  return text.size() <= 8 && text.find_first_not_of("0123456789-–— ") == std::string_view::npos &&
         text.find_first_of("0123456789") != std::string_view::npos;
}

std::vector<std::string> paragraphs_of(std::string_view page) {
  std::vector<std::string> paragraphs;
  std::vector<std::string_view> lines;
  for (const std::string_view line : split(page, '\n')) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin != std::string_view::npos) {
      lines.push_back(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1));
    } else if (!lines.empty()) {
      paragraphs.push_back(join_lines(std::exchange(lines, {})));
    }
  }
  if (!lines.empty()) paragraphs.push_back(join_lines(lines));
  return paragraphs;
}

// Leaves out the number at the head or foot of the page.
void add_page(DocumentBuilder& builder, std::string_view page, int number) {
  text::Block block;
  block.page = number;
  std::vector<std::string> paragraphs = paragraphs_of(page);
  if (paragraphs.size() > 1 && is_page_number(paragraphs.back())) paragraphs.pop_back();
  if (paragraphs.size() > 1 && is_page_number(paragraphs.front())) paragraphs.erase(paragraphs.begin());
  for (const std::string& paragraph : paragraphs) builder.add(block, paragraph);
}

// What word processors write where nobody gave a title.
bool is_meaningful(std::string_view title) {
  return !title.empty() && !title.starts_with("Microsoft Word") && !title.starts_with("untitled") &&
         !title.starts_with("Untitled");
}

// Empty when the PDF names none or pdfinfo is missing: the title is no reason to fail.
std::string read_title(const std::string& path) {
  const auto info = run_program({"pdfinfo", "-enc", "UTF-8", path}, kInfoBytesMax);
  if (info.has_error()) return {};
  for (const std::string_view line : split(info->out, '\n')) {
    if (!line.starts_with("Title:")) continue;
    InlineText title;
    title.add(line.substr(6));
    std::string words = title.take();
    return is_meaningful(words) ? words : std::string();
  }
  return {};
}

}  // namespace

Result<text::Document> parse_pdf(const std::filesystem::path& path, const ParseOptions& options) {
  // Absolute, so that no name can be taken for an option.
  const std::string file = std::filesystem::absolute(path).string();
  auto output = run_program({"pdftotext", "-enc", "UTF-8", "-eol", "unix", file, "-"}, options.text_bytes_max * 2);
  if (output.has_error() && output.error().code == ErrorCode::too_large) return text_too_large(options.text_bytes_max);
  if (output.has_error()) return make_error(output.error().code, output.error().message + "; install poppler-utils");
  if (output->exit_code != 0) return explain_failure(*output);

  DocumentBuilder builder(options.text_bytes_max);
  std::vector<std::string_view> pages = split(output->out, '\f');
  if (pages.size() > 1) pages.pop_back();  // Every page ends with a form feed.
  for (std::size_t i = 0; i < pages.size(); ++i) add_page(builder, pages[i], static_cast<int>(i) + 1);
  if (builder.empty() && !builder.full()) return explain_no_text(*output);
  builder.document().media_type = "application/pdf";
  builder.document().pages = static_cast<int>(pages.size());
  builder.document().title = read_title(file);
  RAGTIME_TRY(text::Document document, std::move(builder).finish());
  complete_title(document, options.filename);
  return document;
}

}  // namespace ragtime::documents
