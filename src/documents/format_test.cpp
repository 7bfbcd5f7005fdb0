#include "documents/format.h"

#include <gtest/gtest.h>

#include "documents/parser.h"

namespace ragtime::documents {
namespace {

using namespace std::string_view_literals;

Format detected(std::string_view head, std::string_view filename) {
  const auto format = detect_format(head, filename);
  EXPECT_TRUE(format.has_value()) << filename;
  return format.has_value() ? *format : Format::ole;
}

TEST(FormatTest, ContentWinsOverTheName) {
  EXPECT_EQ(detected("%PDF-1.7\n", "notes.txt"), Format::pdf);
  EXPECT_EQ(detected("PK\x03\x04rest", "letter.txt"), Format::zip);
  EXPECT_EQ(detected("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest", "letter.docx"), Format::ole);
  EXPECT_EQ(detected("<!DOCTYPE html><title>x</title>", "page"), Format::html);
  EXPECT_EQ(detected("\xEF\xBB\xBF <!-- c -->\n<?xml version='1.0'?>\n<HTML lang=en>", "page.txt"), Format::html);
}

TEST(FormatTest, NameDecidesAmongTexts) {
  EXPECT_EQ(detected("# Title\n", "README.md"), Format::markdown);
  EXPECT_EQ(detected("# Title\n", "README"), Format::plain_text);
  EXPECT_EQ(detected("int main() {}\n", "main.cpp"), Format::code);
  EXPECT_EQ(detected("a,b\n", "DATA.CSV"), Format::delimited);
  EXPECT_EQ(detected("words", "no-extension"), Format::plain_text);
  EXPECT_EQ(detected("words", "strange.extension"), Format::plain_text);
  EXPECT_EQ(detected("<p>fragment</p>", "page.htm"), Format::html);
  EXPECT_EQ(detected("<!doctype html><?php echo 1 ?>", "page.php"), Format::code);
}

TEST(FormatTest, TextThatMentionsMarkersStaysText) {
  EXPECT_EQ(detected("A file that starts with %PDF-1.4 is a PDF.", "about.md"), Format::markdown);
  EXPECT_EQ(detected("<htmlx>", "a.txt"), Format::plain_text);
  EXPECT_EQ(detected("junk\n%PDF-1.4", "scan.pdf"), Format::pdf);
}

TEST(FormatTest, UnicodeWithNulsIsText) {
  EXPECT_EQ(detected("\xFF\xFEh\0i\0"sv, "a.txt"), Format::plain_text);
}

TEST(FormatTest, RefusesWithAReason) {
  const auto refusal = [](std::string_view head, std::string_view name) {
    const auto format = detect_format(head, name);
    EXPECT_TRUE(format.has_error()) << name;
    return format.has_error() ? format.error() : Error{};
  };
  EXPECT_EQ(refusal("", "a.txt").code, ErrorCode::invalid_argument);
  EXPECT_NE(refusal("", "a.txt").message.find("empty"), std::string::npos);
  EXPECT_EQ(refusal("\x89PNG\r\n\x1A\n", "a.txt").code, ErrorCode::unsupported);
  EXPECT_NE(refusal("\x89PNG\r\n\x1A\n", "a.txt").message.find("PNG"), std::string::npos);
  EXPECT_EQ(refusal("abc\0\0\0\x01\x02"sv, "a.txt").code, ErrorCode::unsupported);
  EXPECT_EQ(refusal("{\\rtf1 words}", "a.doc").code, ErrorCode::unsupported);
  EXPECT_EQ(refusal("just words", "report.pdf").code, ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("just words", "report.docx").code, ErrorCode::invalid_argument);
}

TEST(FormatTest, LanguagesByExtension) {
  EXPECT_EQ(hint_from_name("src/a.PY").language, "python");
  EXPECT_EQ(hint_from_name("CMakeLists.txt").language, "cmake");
  EXPECT_EQ(hint_from_name("x.cc").media_type, "text/x-c++");
}

TEST(FormatTest, SupportedNames) {
  for (const char* name : {"a.pdf", "a.docx", "B.HTML", "c.md", "d.txt", "e.cpp", "Makefile", "dir/README", "x.csv"}) {
    EXPECT_TRUE(is_supported_filename(name)) << name;
  }
  for (const char* name : {"a.png", "a.zip", "core", ".hidden", "a.", "", "pdf", "a.doc"}) {
    EXPECT_FALSE(is_supported_filename(name)) << name;
  }
}

}  // namespace
}  // namespace ragtime::documents
