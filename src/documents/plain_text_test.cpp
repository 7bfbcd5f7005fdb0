#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documents/testing/block_text.h"

namespace ragtime::documents {
namespace {

using ::testing::ElementsAre;
using testing::named;
using testing::outline;

TEST(PlainTextTest, ParagraphsAtEmptyLines) {
  const auto document = parse_plain_text("One\ntwo.\n\n \t\nThree.\r\n\r\n四。\n", named("dir/my notes.txt"));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(outline(*document), ElementsAre("paragraph:One\ntwo.", "paragraph:Three.", "paragraph:四。"));
  EXPECT_EQ(document->title, "my notes");
  EXPECT_EQ(document->media_type, "text/plain");
  EXPECT_EQ(document->pages, 0);
  EXPECT_TRUE(is_well_formed(*document));
}

TEST(PlainTextTest, Gb18030BecomesUtf8) {
  // 学而时习之，不亦说乎？有朋自远方来，不亦乐乎？ twice, so that there is enough to detect by.
  const std::string sentence =
      "\xD1\xA7\xB6\xF8\xCA\xB1\xCF\xB0\xD6\xAE\xA3\xAC\xB2\xBB\xD2\xE0\xCB\xB5\xBA\xF5\xA3\xBF"
      "\xD3\xD0\xC5\xF3\xD7\xD4\xD4\xB6\xB7\xBD\xC0\xB4\xA3\xAC\xB2\xBB\xD2\xE0\xC0\xD6\xBA\xF5\xA3\xBF";
  const auto document = parse_plain_text(sentence + "\n\n" + sentence, named("论语.txt"));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(outline(*document), ElementsAre("paragraph:学而时习之，不亦说乎？有朋自远方来，不亦乐乎？",
                                              "paragraph:学而时习之，不亦说乎？有朋自远方来，不亦乐乎？"));
  EXPECT_EQ(document->title, "论语");
}

TEST(PlainTextTest, TitleIsUtf8WhateverTheName) {
  const auto document = parse_plain_text("words", named("bad\xFF\nname.txt"));
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->title, "bad\xEF\xBF\xBD name");
}

TEST(PlainTextTest, LimitOfText) {
  ParseOptions options = named("a.txt");
  options.text_bytes_max = 10;
  EXPECT_TRUE(parse_plain_text("0123456789", options).has_value());
  const auto refused = parse_plain_text("01234567890", options);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::too_large);
}

TEST(CodeTest, BlocksAtEmptyLinesWithTheLanguage) {
  const auto document = parse_code("int a;\n\n\nint b() {\n  return 1;\n}\n", named("src/x.cpp"));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(outline(*document), ElementsAre("code[cpp]:int a;", "code[cpp]:int b() {\n  return 1;\n}"));
  EXPECT_EQ(document->title, "x.cpp");
  EXPECT_EQ(document->media_type, "text/x-c++");
}

TEST(DelimitedTest, OneTable) {
  const auto document = parse_delimited("\nname,age\nAda,36\n\nBob,7\n", named("people.csv"));
  ASSERT_TRUE(document.has_value());
  EXPECT_THAT(outline(*document), ElementsAre("table:name,age\nAda,36\n\nBob,7"));
  EXPECT_EQ(document->media_type, "text/csv");
}

}  // namespace
}  // namespace ragtime::documents
