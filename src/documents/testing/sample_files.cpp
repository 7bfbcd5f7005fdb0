#include "documents/testing/sample_files.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <zip.h>

#include "text/utf8.h"

namespace ragtime::documents::testing {
namespace {

std::string hex4(unsigned value) {
  char digits[5];
  std::snprintf(digits, sizeof digits, "%04X", value & 0xFFFF);
  return digits;
}

// Glyph numbers are the code points themselves, so one map serves every text of the basic plane.
std::string unicode_map() {
  std::string map =
      "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def\n"
      "1 begincodespacerange <0000> <FFFF> endcodespacerange\n";
  for (unsigned high = 0; high < 256; high += 64) {
    map += "64 beginbfrange\n";
    for (unsigned row = high; row < high + 64; ++row) {
      map += "<" + hex4(row << 8) + "> <" + hex4(row << 8 | 0xFF) + "> <" + hex4(row << 8) + ">\n";
    }
    map += "endbfrange\n";
  }
  return map + "endcmap CMapName currentdict /CMap defineresource pop end end\n";
}

std::string glyphs(std::string_view line) {
  std::string hex;
  for (std::size_t at = 0; at < line.size();) hex += hex4(static_cast<unsigned>(text::next_code_point(line, at)));
  return "<" + hex + ">";
}

std::string page_content(std::string_view page) {
  std::string content = "BT /F1 12 Tf 14 TL 72 720 Td\n";
  for (std::size_t begin = 0; begin <= page.size();) {
    const std::size_t end = std::min(page.find('\n', begin), page.size());
    content += glyphs(page.substr(begin, end - begin)) + " Tj T*\n";
    begin = end + 1;
  }
  return content + "ET\n";
}

std::string stream(std::string_view bytes) {
  return "<< /Length " + std::to_string(bytes.size()) + " >>\nstream\n" + std::string(bytes) + "\nendstream";
}

class PdfWriter {
 public:
  int add(const std::string& object) {
    offsets_.push_back(bytes_.size());
    bytes_ += std::to_string(offsets_.size()) + " 0 obj\n" + object + "\nendobj\n";
    return static_cast<int>(offsets_.size());
  }
  std::string finish(const std::string& trailer) {
    const std::size_t table = bytes_.size();
    bytes_ += "xref\n0 " + std::to_string(offsets_.size() + 1) + "\n0000000000 65535 f \n";
    for (const std::size_t offset : offsets_) {
      char line[32];
      std::snprintf(line, sizeof line, "%010zu 00000 n \n", offset);
      bytes_ += line;
    }
    bytes_ += "trailer\n<< /Size " + std::to_string(offsets_.size() + 1) + " " + trailer + " >>\n";
    return bytes_ + "startxref\n" + std::to_string(table) + "\n%%EOF\n";
  }

 private:
  std::string bytes_ = "%PDF-1.4\n";
  std::vector<std::size_t> offsets_;
};

std::string reference(int object) {
  return std::to_string(object) + " 0 R";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "ragtime-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TemporaryDirectory::write(const std::string& name, std::string_view bytes) const {
  const std::filesystem::path file = path_ / name;
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file;
}

std::string make_pdf(const std::vector<std::string>& pages, const PdfOptions& options) {
  PdfWriter pdf;
  const int map = pdf.add(stream(unicode_map()));
  const int descriptor = pdf.add(
      "<< /Type /FontDescriptor /FontName /Sample /Flags 4 /FontBBox [0 0 1000 1000] /ItalicAngle 0 /Ascent 800 "
      "/Descent -200 /CapHeight 700 /StemV 80 >>");
  const int descendant = pdf.add(
      "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Sample /CIDSystemInfo << /Registry (Adobe) /Ordering "
      "(Identity) /Supplement 0 >> /DW 500 /FontDescriptor " +
      reference(descriptor) + " >>");
  const int font = pdf.add("<< /Type /Font /Subtype /Type0 /BaseFont /Sample /Encoding /Identity-H /DescendantFonts [" +
                           reference(descendant) + "] /ToUnicode " + reference(map) + " >>");
  const int tree = 4 + 2 * static_cast<int>(pages.size()) + 1;
  std::string kids;
  for (const std::string& page : pages) {
    const int content = pdf.add(stream(page.empty() ? std::string("q Q") : page_content(page)));
    kids += reference(pdf.add("<< /Type /Page /Parent " + reference(tree) + " /MediaBox [0 0 612 792] /Contents " +
                              reference(content) + " /Resources << /Font << /F1 " + reference(font) + " >> >> >>")) +
            " ";
  }
  pdf.add("<< /Type /Pages /Count " + std::to_string(pages.size()) + " /Kids [" + kids + "] >>");
  const int catalog = pdf.add("<< /Type /Catalog /Pages " + reference(tree) + " >>");
  std::string trailer = "/Root " + reference(catalog);
  if (!options.title.empty()) trailer += " /Info " + reference(pdf.add("<< /Title (" + options.title + ") >>"));
  if (options.encrypted) {
    const std::string key(64, 'A');
    trailer += " /Encrypt " +
               reference(pdf.add("<< /Filter /Standard /V 1 /R 2 /O <" + key + "> /U <" + key + "> /P -4 >>")) +
               " /ID [<00> <00>]";
  }
  return pdf.finish(trailer);
}

void write_zip(const std::filesystem::path& path, const ZipEntries& entries) {
  int error = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  if (archive == nullptr) throw std::runtime_error("zip_open");
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    if (zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8) < 0) throw std::runtime_error("zip_file_add");
  }
  if (zip_close(archive) != 0) throw std::runtime_error("zip_close");
}

void write_encrypted_zip(const std::filesystem::path& path, const std::string& name, const std::string& bytes) {
  int error = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  if (archive == nullptr) throw std::runtime_error("zip_open");
  const zip_int64_t index =
      zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0), 0);
  zip_file_set_encryption(archive, static_cast<zip_uint64_t>(index), ZIP_EM_AES_256, "password");
  if (zip_close(archive) != 0) throw std::runtime_error("zip_close");
}

void write_docx(const std::filesystem::path& path, std::string_view body, std::string_view styles,
                std::string_view title) {
  const std::string space = " xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
  const std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
  ZipEntries entries;
  entries.emplace_back("word/document.xml",
                       head + "<w:document" + space + "><w:body>" + std::string(body) + "</w:body></w:document>");
  entries.emplace_back("word/styles.xml", head + "<w:styles" + space + ">" + std::string(styles) + "</w:styles>");
  if (!title.empty()) {
    entries.emplace_back("docProps/core.xml",
                         head +
                             "<cp:coreProperties xmlns:cp=\"urn:cp\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">"
                             "<dc:title>" +
                             std::string(title) + "</dc:title></cp:coreProperties>");
  }
  write_zip(path, entries);
}

std::string docx_paragraph(std::string_view text, std::string_view properties) {
  std::string paragraph = "<w:p>";
  if (!properties.empty()) paragraph += "<w:pPr>" + std::string(properties) + "</w:pPr>";
  return paragraph + "<w:r><w:t xml:space=\"preserve\">" + std::string(text) + "</w:t></w:r></w:p>";
}

}  // namespace ragtime::documents::testing
