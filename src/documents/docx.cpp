#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <pugixml.hpp>

#include "documents/document_builder.h"
#include "documents/docx_styles.h"
#include "documents/file_parser.h"
#include "documents/inline_text.h"
#include "documents/zip_package.h"

namespace ragtime::documents {
namespace {

// The tree of a part takes several times its size in memory.
constexpr std::size_t kPartBytesMax = 128u << 20;

constexpr std::string_view kMediaType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

Result<pugi::xml_document> read_xml(const ZipPackage& package, const std::string& part) {
  RAGTIME_TRY(const std::string bytes, package.read(part, kPartBytesMax));
  pugi::xml_document xml;
  const auto parsed = xml.load_buffer(bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_ws_pcdata);
  if (parsed.status == pugi::status_out_of_memory) {
    return make_error(ErrorCode::too_large, "the document needs more memory than its parser may use");
  }
  if (!parsed) return make_error(ErrorCode::invalid_argument, "damaged: the Word document's XML is broken");
  return xml;
}

// Word's usual place, or where the package's relations point.
std::string main_part(const ZipPackage& package) {
  static const std::string kUsual = "word/document.xml";
  if (package.contains(kUsual)) return kUsual;
  const auto relations = read_xml(package, "_rels/.rels");
  if (relations.has_error()) return {};
  for (const pugi::xml_node& relation : relations->document_element().children()) {
    if (!std::string_view(relation.attribute("Type").value()).ends_with("/officeDocument")) continue;
    std::string target = relation.attribute("Target").value();
    if (target.starts_with('/')) target.erase(0, 1);
    if (target.starts_with("word/") && package.contains(target)) return target;
  }
  return {};
}

Error refuse_package(const ZipPackage& package) {
  const auto unsupported = [](const std::string& what) {
    return make_error(ErrorCode::unsupported, "not a text document but " + what);
  };
  if (package.contains("xl/workbook.xml")) return unsupported("an Excel workbook; save its sheets as .csv");
  if (package.contains("ppt/presentation.xml")) return unsupported("a PowerPoint file; save it as PDF");
  if (package.contains("META-INF/container.xml")) return unsupported("an EPUB book; convert it to HTML or PDF");
  if (package.contains("content.xml")) return unsupported("an OpenDocument file; save it as .docx");
  return unsupported("a ZIP archive; unpack it first");
}

// Walks the body of the document and hands its paragraphs, lists and tables to the builder.
class BodyReader {
 public:
  BodyReader(DocumentBuilder& builder, const DocxStyles& styles) : builder_(builder), styles_(styles) {}

  bool enter(pugi::xml_node node) {
    if (builder_.full()) return false;
    if (node.type() != pugi::node_element) return false;
    const std::string_view name = local_name(node);
    if (name == "p") {
      enter_paragraph(node);
    } else if (name == "tbl") {
      if (tables_++ == 0) close_block();
    } else if (name == "tc") {
      if (tables_ == 1) cells_.emplace_back();
    } else if (name == "r") {
      return !is_hidden(node);
    } else if (name == "t") {
      text().add_verbatim(node.text().get());
      return false;
    } else {
      return enter_mark(name);
    }
    return true;
  }

  void leave(pugi::xml_node node) {
    const std::string_view name = local_name(node);
    if (name == "p") {
      leave_paragraph();
    } else if (name == "tbl") {
      if (--tables_ == 0) close_table();
    } else if (name == "tr" && tables_ == 1) {
      close_row();
    }
  }

  void close_block() {
    std::string words = text_.take();
    if (words.empty()) return;
    if (builder_.document().title.empty() && is_title_) builder_.document().title = words;
    builder_.add(block_, words);
  }

 private:
  // Breaks, and what must not be descended into: deleted text, field codes, pictures' fallbacks, properties.
  bool enter_mark(std::string_view name) {
    static const std::set<std::string_view> kSkipped = {
        "del",  "moveFrom", "instrText", "delText", "Fallback",         "pPr", "rPr", "tblPr", "tblGrid", "trPr",
        "tcPr", "sectPr",   "sdtPr",     "rt",      "footnoteReference"};
    if (name == "tab" || name == "ptab") {
      text().add_space();
    } else if (name == "br" || name == "cr") {
      if (tables_ > 0) {
        text().add_space();
      } else {
        text().start_line();
      }
    } else if (name == "noBreakHyphen") {
      text().add("-");
    }
    return !kSkipped.contains(name);
  }

  static bool is_hidden(pugi::xml_node run) {
    const pugi::xml_node vanish = child(child(run, "rPr"), "vanish");
    return vanish && is_on(vanish);
  }

  void enter_paragraph(pugi::xml_node node) {
    if (tables_ > 0) return text().add_space();
    // A text box lies inside a paragraph.
    if (paragraphs_++ > 0) return text().start_line();
    const ParagraphStyle style = styles_.resolve(child(node, "pPr"));
    const bool list = style.heading_level == 0 && style.list_level >= 0;
    if (!list || block_.kind != text::BlockKind::list) close_block();
    block_ = text::Block();
    is_title_ = style.is_title;
    if (style.heading_level > 0) {
      block_.kind = text::BlockKind::heading;
      block_.heading_level = style.heading_level;
    } else if (list) {
      block_.kind = text::BlockKind::list;
      text_.start_line(std::string(2 * static_cast<std::size_t>(style.list_level), ' ') + "- ");
    }
  }

  void leave_paragraph() {
    if (tables_ > 0) return;
    if (--paragraphs_ > 0) return text_.start_line();
    if (block_.kind != text::BlockKind::list) close_block();
  }

  void close_row() {
    std::string row;
    bool words = false;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      InlineText squeezed;
      squeezed.add(cells_[i].take());
      const std::string cell = squeezed.take();
      words = words || !cell.empty();
      row += (i == 0 ? "" : " | ") + cell;
    }
    cells_.clear();
    if (words) rows_ += (rows_.empty() ? "" : "\n") + row;
  }

  void close_table() {
    close_row();
    text::Block table;
    table.kind = text::BlockKind::table;
    builder_.add(table, std::exchange(rows_, {}));
    block_ = text::Block();
  }

  InlineText& text() { return tables_ > 0 && !cells_.empty() ? cells_.back() : text_; }

  DocumentBuilder& builder_;
  const DocxStyles& styles_;
  text::Block block_;
  bool is_title_ = false;
  InlineText text_;
  std::vector<InlineText> cells_;
  std::string rows_;
  int tables_ = 0;
  int paragraphs_ = 0;
};

void walk_body(pugi::xml_node body, BodyReader& reader) {
  pugi::xml_node node = body.first_child();
  while (node) {
    if (reader.enter(node) && node.first_child()) {
      node = node.first_child();
      continue;
    }
    while (node != body && !node.next_sibling()) {
      reader.leave(node);
      node = node.parent();
    }
    if (node == body) break;
    reader.leave(node);
    node = node.next_sibling();
  }
  reader.close_block();
}

std::string core_title(const ZipPackage& package) {
  const auto core = read_xml(package, "docProps/core.xml");
  if (core.has_error()) return {};
  InlineText title;
  title.add(child(core->document_element(), "title").text().get());
  return title.take();
}

}  // namespace

Result<text::Document> parse_zip(const std::filesystem::path& path, const ParseOptions& options) {
  RAGTIME_TRY(const ZipPackage package, ZipPackage::open(path));
  const std::string part = main_part(package);
  if (part.empty()) return refuse_package(package);
  RAGTIME_TRY(const pugi::xml_document xml, read_xml(package, part));
  DocxStyles styles;
  if (const auto parsed = read_xml(package, "word/styles.xml"); parsed.has_value()) styles.read(*parsed);

  DocumentBuilder builder(options.text_bytes_max);
  builder.document().media_type = kMediaType;
  builder.document().title = core_title(package);
  BodyReader reader(builder, styles);
  walk_body(child(xml.document_element(), "body"), reader);
  RAGTIME_TRY(text::Document document, std::move(builder).finish());
  complete_title(document, options.filename);
  return document;
}

Result<text::Document> refuse_ole(std::string_view bytes) {
  // Names of streams are UTF-16 in the container's directory.
  std::string encrypted;
  for (const char c : std::string_view("EncryptedPackage")) encrypted.append({c, '\0'});
  if (bytes.find(encrypted) != std::string_view::npos) {
    return make_error(ErrorCode::invalid_argument, "encrypted: remove the password first");
  }
  return make_error(ErrorCode::unsupported, "an Office file in the format of 1997; save it as .docx");
}

}  // namespace ragtime::documents
