#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documents/testing/block_text.h"

namespace ragtime::documents {
namespace {

using ::testing::ElementsAre;
using testing::named;
using testing::outline;

text::Document parsed(std::string_view source) {
  auto document = parse_markdown(source, named("file.md"));
  EXPECT_TRUE(document.has_value());
  EXPECT_TRUE(document.has_value() && is_well_formed(*document));
  return document.has_value() ? std::move(*document) : text::Document{};
}

TEST(MarkdownTest, BlocksAreRangesOfTheSource) {
  const std::string source =
      "# Ragtime *rocks*\n\nFirst `code` line\nsecond line.\n\n## 安装 ##\n- one\n- two\n  more\n\n3. three\n\n"
      "```c++ title=x\nint i;\n\nint j;\n```\n\n> quoted\n> twice\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n    indented\n";
  const text::Document document = parsed(source);
  EXPECT_EQ(document.text, source);
  EXPECT_THAT(
      outline(document),
      ElementsAre("heading1:# Ragtime *rocks*", "paragraph:First `code` line\nsecond line.", "heading2:## 安装 ##",
                  "list:- one\n- two\n  more", "list:3. three", "code[c++]:```c++ title=x\nint i;\n\nint j;\n```",
                  "quote:> quoted\n> twice", "table:| a | b |\n|---|---|\n| 1 | 2 |", "code:    indented"));
  EXPECT_EQ(document.title, "Ragtime rocks");
  EXPECT_EQ(document.media_type, "text/markdown");
}

TEST(MarkdownTest, UnderlinedHeadingsLoseTheirLine) {
  EXPECT_THAT(outline(parsed("Title\n=====\ntext\n\nSub\n---\n\nmore\n")),
              ElementsAre("heading1:Title", "paragraph:text", "heading2:Sub", "paragraph:more"));
}

TEST(MarkdownTest, FrontMatterIsInNoBlockAndGivesTheTitle) {
  const text::Document document = parsed("---\ntitle: \"Release notes\"\ntags: [a]\n---\n\n# Other\n\ntext\n");
  EXPECT_THAT(outline(document), ElementsAre("heading1:# Other", "paragraph:text"));
  EXPECT_EQ(document.title, "Release notes");
  EXPECT_THAT(outline(parsed("+++\ntitle = 'x'\n+++\nwords\n")), ElementsAre("paragraph:words"));
}

TEST(MarkdownTest, RuleIsNoFrontMatter) {
  EXPECT_THAT(outline(parsed("---\n\nwords without an end\n")), ElementsAre("paragraph:words without an end"));
}

TEST(MarkdownTest, TableAfterParagraphKeepsBoth) {
  const text::Document document = parsed("Intro:\n| a | b |\n|---|---|\n| 1 | 2 |\nafter\n\nend\n");
  ASSERT_GE(document.blocks.size(), 2u);
  EXPECT_TRUE(is_well_formed(document));
  std::string covered;
  for (std::size_t i = 0; i < document.blocks.size(); ++i) covered += testing::block_text(document, i) + "\n";
  for (const char* word : {"Intro", "| 1 | 2 |", "end"}) EXPECT_NE(covered.find(word), std::string::npos) << word;
}

TEST(MarkdownTest, CommentsReferencesAndRulesAreNoBlocks) {
  EXPECT_THAT(outline(parsed("a\n\n<!-- secret -->\n\n[1]: http://example.com\n\n***\n\nb\n")),
              ElementsAre("paragraph:a", "paragraph:b"));
}

TEST(MarkdownTest, TitleFallsBackToTheFile) {
  EXPECT_EQ(parsed("words\n").title, "file");
}

TEST(MarkdownTest, UnclosedFenceReachesTheEnd) {
  EXPECT_THAT(outline(parsed("```\nnever closed\n\nhere")), ElementsAre("code:```\nnever closed\n\nhere"));
}

TEST(MarkdownTest, WindowsLineEndsAndTabs) {
  EXPECT_THAT(outline(parsed("# A\r\n\r\n-\tone\r\n-\ttwo\r\n")), ElementsAre("heading1:# A", "list:-\tone\n-\ttwo"));
}

TEST(MarkdownTest, AnyMixtureIsWellFormed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string_view pieces[] = {"# ",     "## ",   "\n",      "\n\n",     "===\n",     "---\n",
                                     "- ",     "1. ",   "> ",      "```\n",    "~~~",       "|a|b|\n|-|-|\n",
                                     "| 1 |",  "文字",  "words",   "    ",     "\t",        "<div>",
                                     "</div>", "<!-- ", "-->",     "[a]: b\n", "[^1]: c\n", "[ ] ",
                                     "\\",     "`",     "* * *\n", "\r\n",     "&amp;"};
  for (int round = 0; round < 3000; ++round) {
    std::string source = round % 7 == 0 ? "---\n" : "";
    for (int i = 0; i < 25; ++i) source += pieces[random() % std::size(pieces)];
    const auto document = parse_markdown(source, named("file.md"));
    ASSERT_TRUE(document.has_value());
    ASSERT_TRUE(is_well_formed(*document)) << source;
  }
}

TEST(MarkdownTest, DeepNestingIsHarmless) {
  EXPECT_FALSE(parsed(std::string(20000, '>') + " deep\n").blocks.empty());
  EXPECT_FALSE(parsed(std::string(20000, '[') + "\n").blocks.empty());
}

}  // namespace
}  // namespace ragtime::documents
