#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documents/charset.h"
#include "documents/testing/block_text.h"

namespace ragtime::documents {
namespace {

using ::testing::ElementsAre;
using testing::named;
using testing::outline;

text::Document parsed(std::string_view html) {
  auto document = parse_html(html, named("page.html"));
  EXPECT_TRUE(document.has_value());
  EXPECT_TRUE(document.has_value() && is_well_formed(*document));
  return document.has_value() ? std::move(*document) : text::Document{};
}

TEST(HtmlTest, HeadingsAndParagraphs) {
  const text::Document document = parsed(
      "<!doctype html><html><head><title> The\n title </title></head><body><h1>Big <em>one</em></h1>"
      "<p>First\n   para&amp;graph&nbsp;&#20013;&#x6587;</p>loose text<div>in a div<br>next line</div></body></html>");
  EXPECT_THAT(outline(document), ElementsAre("heading1:Big one", "paragraph:First para&graph 中文",
                                             "paragraph:loose text", "paragraph:in a div\nnext line"));
  EXPECT_EQ(document.title, "The title");
  EXPECT_EQ(document.media_type, "text/html");
  EXPECT_EQ(document.text, "Big one\n\nFirst para&graph 中文\n\nloose text\n\nin a div\nnext line");
}

TEST(HtmlTest, SkipsWhatNobodyReads) {
  EXPECT_THAT(outline(parsed("<script>var x='s';</script><style>p{}</style><nav><a>menu</a></nav>"
                             "<p hidden>h</p><div style='color:red; Display: none'>x</div>"
                             "<div style='display : none'>y</div><span aria-hidden=true>¶</span><template>t</template>"
                             "<noscript>n</noscript><select><option>o</select><p>shown</p><!-- comment -->")),
              ElementsAre("paragraph:shown"));
}

TEST(HtmlTest, ListsKeepTheirShape) {
  EXPECT_THAT(outline(parsed("<ul><li>one</li><li><p>two</p><p>more</p><ol><li>a<li>b</ol></li></ul><p>after</p>")),
              ElementsAre("list:- one\n- two\n  more\n  1. a\n  2. b", "paragraph:after"));
  EXPECT_THAT(outline(parsed("<dl><dt>term<dd>meaning</dl>")), ElementsAre("list:term\n  meaning"));
}

TEST(HtmlTest, TablesAsRows) {
  EXPECT_THAT(outline(parsed("<table><caption>Sizes</caption><thead><tr><th>name<th>size</tr></thead>"
                             "<tbody><tr><td>红<br>色</td><td></td></tr><tr><td></td></tr></tbody></table>")),
              ElementsAre("table:Sizes\nname | size\n红 色 | "));
}

TEST(HtmlTest, LayoutTablesAreTransparent) {
  EXPECT_THAT(outline(parsed("<table><tr><td><h2>Head</h2><p>text</p></td><td><table><tr><td>1<td>2</table></td></tr>"
                             "</table>")),
              ElementsAre("heading2:Head", "paragraph:text", "table:1 | 2"));
}

TEST(HtmlTest, CodeKeepsItsWhiteSpace) {
  EXPECT_THAT(outline(parsed("<pre><code class='hl language-python'>def f():\n    return 1\n\n</code></pre><p>x</p>")),
              ElementsAre("code[python]:def f():\n    return 1", "paragraph:x"));
}

TEST(HtmlTest, Quotes) {
  EXPECT_THAT(outline(parsed("<blockquote><p>said</p><p>again</p></blockquote><p>then</p>")),
              ElementsAre("quote:said", "quote:again", "paragraph:then"));
}

TEST(HtmlTest, ChineseLinesJoinWithoutASpace) {
  EXPECT_THAT(outline(parsed("<p>第一行，\n  第二行\nand latin\n中文</p>")),
              ElementsAre("paragraph:第一行，第二行 and latin 中文"));
}

TEST(HtmlTest, DeclaredCharset) {
  EXPECT_EQ(declared_charset("<META HTTP-EQUIV=x CONTENT='text/html; Charset=GBK'>"), "GBK");
  EXPECT_EQ(declared_charset("<meta name=a><meta charset = \"big5\" >"), "big5");
  EXPECT_EQ(declared_charset("<p>no declaration"), "");
  // 中文 in Big5 is too little to detect by, so only the declaration can tell.
  EXPECT_THAT(outline(parsed("<meta charset=big5><p>\xA4\xA4\xA4\xE5</p>")), ElementsAre("paragraph:中文"));
  EXPECT_THAT(outline(parsed("<meta charset=gb2312><p>\xD6\xD0\xCE\xC4</p>")), ElementsAre("paragraph:中文"));
  EXPECT_THAT(outline(parsed("<meta charset=iso-8859-1><p>caf\xE9</p>")), ElementsAre("paragraph:café"));
  EXPECT_THAT(outline(parsed("<meta charset=gbk><p>中文</p>")), ElementsAre("paragraph:中文"))
      << "valid UTF-8 wins over a wrong declaration";
}

TEST(HtmlTest, TitleFallsBackToHeadingThenFile) {
  EXPECT_EQ(parsed("<h2>Sub</h2><p>x").title, "Sub");
  EXPECT_EQ(parsed("<p>x").title, "page");
}

TEST(HtmlTest, NestingHasALimit) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<div>";
  const auto refused = parse_html(deep + "x", named("deep.html"));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  std::string allowed;
  for (int i = 0; i < 4000; ++i) allowed += "<div>";
  EXPECT_THAT(outline(parsed(allowed + "x")), ElementsAre("paragraph:x"));
}

TEST(HtmlTest, ManyUnclosedParagraphsAreNotNested) {
  std::string flat;
  for (int i = 0; i < 20'000; ++i) flat += "<p>x<br>";
  EXPECT_EQ(parsed(flat).blocks.size(), 20'000u);
}

TEST(HtmlTest, BrokenMarkupStillGivesText) {
  EXPECT_THAT(outline(parsed("<b>un<i>closed</b> text</p><td>cell</td>&unknown; &#0; a<")),
              ElementsAre(::testing::HasSubstr("unclosed text"), ::testing::HasSubstr("&unknown;")));
}

TEST(HtmlTest, AnyDamageGivesAWellFormedDocument) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string_view pieces[] = {
      "<table>",  "<tr>",       "<td>",         "</table>",      "<ul>",       "<li>",  "</ul>",  "<pre>",  "</pre>",
      "<h2>",     "</h2>",      "<blockquote>", "</blockquote>", "<br>",       "<p>",   "</div>", "<div>",  "文字",
      " words\n", "&#x10FFFF;", "&lt;",         "\xE4\xB8",      "<!--",       "-->",   "<svg>",  "</svg>", "<b>",
      "</b>",     "\x01",       "<dl><dt>",     "<select>",      "<template>", "<math>"};
  for (int round = 0; round < 2000; ++round) {
    std::string html = "<!doctype html>";
    for (int i = 0; i < 30; ++i) html += pieces[random() % std::size(pieces)];
    const auto document = parse_html(html, named("page.html"));
    ASSERT_TRUE(document.has_error() || is_well_formed(*document)) << html;
  }
}

TEST(HtmlTest, LimitOfText) {
  ParseOptions options = named("a.html");
  options.text_bytes_max = 100;
  const auto refused = parse_html("<p>" + std::string(200, 'x'), options);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace ragtime::documents
