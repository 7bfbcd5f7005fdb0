#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documents/testing/block_text.h"
#include "documents/testing/sample_files.h"

namespace ragtime::documents {
namespace {

using testing::docx_paragraph;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::named;
using testing::outline;

class DocxTest : public ::testing::Test {
 protected:
  text::Document parsed(std::string_view body, std::string_view styles = {}, std::string_view title = {}) {
    testing::write_docx(file_, body, styles, title);
    auto document = parse_zip(file_, named("letter.docx"));
    EXPECT_TRUE(document.has_value()) << document.error().message;
    EXPECT_TRUE(document.has_value() && is_well_formed(*document));
    return document.has_value() ? std::move(*document) : text::Document{};
  }
  Error refused() {
    const auto document = parse_zip(file_, named("letter.docx"));
    EXPECT_TRUE(document.has_error());
    return document.has_error() ? document.error() : Error{};
  }

  testing::TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "letter.docx";
};

constexpr std::string_view kStyles =
    "<w:style w:styleId='1'><w:name w:val='heading 1'/></w:style>"
    "<w:style w:styleId='Rubrik2'><w:name w:val='Eigene'/><w:basedOn w:val='2'/></w:style>"
    "<w:style w:styleId='2'><w:name w:val='标题二'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>"
    "<w:style w:styleId='Loop'><w:name w:val='Loop'/><w:basedOn w:val='Loop'/></w:style>"
    "<w:style w:styleId='Titel'><w:name w:val='Title'/></w:style>"
    "<w:style w:styleId='Bullets'><w:name w:val='List Bullet'/><w:pPr><w:numPr><w:numId w:val='3'/></w:numPr></w:pPr>"
    "</w:style>";

TEST_F(DocxTest, HeadingsByNameOutlineAndInheritance) {
  const text::Document document =
      parsed(docx_paragraph("Report", "<w:pStyle w:val='Titel'/>") + docx_paragraph("One", "<w:pStyle w:val='1'/>") +
                 docx_paragraph("二", "<w:pStyle w:val='2'/>") + docx_paragraph("Zwei", "<w:pStyle w:val='Rubrik2'/>") +
                 docx_paragraph("Direct", "<w:outlineLvl w:val='2'/>") +
                 docx_paragraph("Plain", "<w:pStyle w:val='Loop'/>") + docx_paragraph("中文段落。"),
             kStyles);
  EXPECT_THAT(outline(document), ElementsAre("heading1:Report", "heading1:One", "heading2:二", "heading2:Zwei",
                                             "heading3:Direct", "paragraph:Plain", "paragraph:中文段落。"));
  EXPECT_EQ(document.title, "Report");
  EXPECT_EQ(document.pages, 0);
}

TEST_F(DocxTest, TitleFromTheProperties) {
  EXPECT_EQ(parsed(docx_paragraph("x"), {}, "Annual &amp; report").title, "Annual & report");
  EXPECT_EQ(parsed(docx_paragraph("x")).title, "letter");
}

TEST_F(DocxTest, ConsecutiveItemsAreOneList) {
  const std::string item = "<w:pStyle w:val='Bullets'/>";
  const std::string nested = "<w:numPr><w:ilvl w:val='1'/><w:numId w:val='3'/></w:numPr>";
  const std::string none = item + "<w:numPr><w:numId w:val='0'/></w:numPr>";
  EXPECT_THAT(outline(parsed(docx_paragraph("before") + docx_paragraph("one", item) + docx_paragraph("sub", nested) +
                                 docx_paragraph("two", item) + docx_paragraph("no item", none),
                             kStyles)),
              ElementsAre("paragraph:before", "list:- one\n  - sub\n- two", "paragraph:no item"));
}

TEST_F(DocxTest, TablesAsRows) {
  const auto cell = [](const std::string& inside) { return "<w:tc><w:tcPr/>" + inside + "</w:tc>"; };
  const std::string nested =
      "<w:tbl><w:tr>" + cell(docx_paragraph("in")) + cell(docx_paragraph("ner")) + "</w:tr></w:tbl>";
  EXPECT_THAT(outline(parsed("<w:tbl><w:tblPr/><w:tr>" + cell(docx_paragraph("a") + docx_paragraph("b")) +
                             cell(docx_paragraph("颜色")) + "</w:tr><w:tr>" + cell("<w:p/>") + cell(nested + "<w:p/>") +
                             "</w:tr><w:tr>" + cell("<w:p/>") + "</w:tr></w:tbl>" + docx_paragraph("after"))),
              ElementsAre("table:a b | 颜色\n | in ner", "paragraph:after"));
}

TEST_F(DocxTest, OnlyWhatIsVisible) {
  EXPECT_THAT(outline(parsed("<w:p><w:r><w:t>kept</w:t><w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t></w:r>"
                             "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
                             "<w:ins><w:r><w:t xml:space='preserve'> inserted</w:t></w:r></w:ins>"
                             "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
                             "<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>!</w:t></w:r>"
                             "<w:r><w:instrText>PAGE</w:instrText></w:r>"
                             "<w:hyperlink><w:r><w:t xml:space='preserve'> link</w:t></w:r></w:hyperlink></w:p>"
                             "<w:sdt><w:sdtPr/><w:sdtContent>" +
                             docx_paragraph("control") + "</w:sdtContent></w:sdt>")),
              ElementsAre("paragraph:kept tab\nline inserted! link", "paragraph:control"));
}

TEST_F(DocxTest, TextBoxesOnce) {
  const std::string box = "<w:txbxContent>" + docx_paragraph("boxed") + "</w:txbxContent>";
  EXPECT_THAT(outline(parsed("<w:p><w:r><w:t>outer</w:t><mc:AlternateContent><mc:Choice>" + box +
                             "</mc:Choice><mc:Fallback>" + box + "</mc:Fallback></mc:AlternateContent></w:r></w:p>")),
              ElementsAre("paragraph:outer\nboxed"));
}

TEST_F(DocxTest, MainPartUnderAnotherName) {
  testing::write_zip(file_, {{"_rels/.rels",
                              "<Relationships><Relationship Type='http://x/relationships/officeDocument' "
                              "Target='/word/document2.xml'/></Relationships>"},
                             {"word/document2.xml",
                              "<d><body>"
                              "<p><r><t>strange prefix</t></r></p></body></d>"}});
  const auto document = parse_zip(file_, named("a.docx"));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(outline(*document), ElementsAre("paragraph:strange prefix"));
}

TEST_F(DocxTest, OtherPackagesAreRefusedByName) {
  testing::write_zip(file_, {{"xl/workbook.xml", "<x/>"}});
  EXPECT_EQ(refused().code, ErrorCode::unsupported);
  EXPECT_THAT(refused().message, HasSubstr("Excel"));
  testing::write_zip(file_, {{"a.txt", "x"}});
  EXPECT_EQ(refused().code, ErrorCode::unsupported);
  EXPECT_THAT(refused().message, HasSubstr("ZIP"));
}

TEST_F(DocxTest, DamagedFiles) {
  directory_.write("letter.docx", "PK\x03\x04 and nothing more");
  EXPECT_EQ(refused().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused().message, HasSubstr("damaged"));
  testing::write_zip(file_, {{"word/document.xml", "<w:document><w:body><w:p>"}});
  EXPECT_EQ(refused().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused().message, HasSubstr("damaged"));
}

TEST_F(DocxTest, BombIsStoppedWhileUnpacking) {
  testing::write_zip(file_, {{"word/document.xml", std::string(200u << 20, ' ')}});
  ASSERT_LT(std::filesystem::file_size(file_), 1u << 20);
  EXPECT_EQ(refused().code, ErrorCode::too_large);
}

TEST_F(DocxTest, EncryptedPart) {
  testing::write_encrypted_zip(file_, "word/document.xml", "<x/>");
  EXPECT_EQ(refused().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused().message, HasSubstr("encrypted"));
}

TEST_F(DocxTest, LimitOfText) {
  testing::write_docx(file_, docx_paragraph(std::string(200, 'x')));
  ParseOptions options = named("a.docx");
  options.text_bytes_max = 100;
  const auto document = parse_zip(file_, options);
  ASSERT_TRUE(document.has_error());
  EXPECT_EQ(document.error().code, ErrorCode::too_large);
}

TEST(OleTest, TellsEncryptedFromOld) {
  using namespace std::string_view_literals;
  const auto encrypted = refuse_ole("..E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"sv);
  EXPECT_EQ(encrypted.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(encrypted.error().message, HasSubstr("encrypted"));
  EXPECT_EQ(refuse_ole("W\0o\0r\0d\0D\0o\0c\0"sv).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace ragtime::documents
