#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>

#include "text/analyzer.h"

namespace ragtime::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> sentences(std::string_view text) {
  std::vector<std::string> result;
  for (const Span& span : split_sentences(text)) result.emplace_back(text.substr(span.begin, span.end - span.begin));
  return result;
}

TEST(Sentences, English) {
  EXPECT_THAT(sentences("  One ends. Does two? Yes!  "), ElementsAre("One ends.", "Does two?", "Yes!"));
  EXPECT_THAT(sentences("Version 0.7 is out. It costs $1.50 per day."),
              ElementsAre("Version 0.7 is out.", "It costs $1.50 per day."));
  EXPECT_THAT(sentences("Mr. Smith met Dr. Brown. They left."), ElementsAre("Mr. Smith met Dr. Brown.", "They left."));
}

TEST(Sentences, Chinese) {
  EXPECT_THAT(sentences("今天下雨。你带伞了吗？带了！第一；第二"),
              ElementsAre("今天下雨。", "你带伞了吗？", "带了！", "第一；", "第二"));
  EXPECT_THAT(sentences("他说：“走吧。”然后离开了。"), ElementsAre("他说：“走吧。”", "然后离开了。"));
}

TEST(Sentences, FilledLinesOfProseAreJoined) {
  EXPECT_THAT(sentences("The server keeps every posting list in memory and reads\nthem in order. Then it stops.\n"),
              ElementsAre("The server keeps every posting list in memory and reads\nthem in order.", "Then it stops."));
}

TEST(Sentences, IndentedProseIsProseAndIndentedCodeIsCode) {
  const std::string licence =
      "      \"Source\" form shall mean the preferred form for making modifications,\n"
      "      including but not limited to software source code and more kinds of\n"
      "      documentation. It is text.\n";
  EXPECT_THAT(sentences(licence),
              ElementsAre("\"Source\" form shall mean the preferred form for making modifications,\n"
                          "      including but not limited to software source code and more kinds of\n"
                          "      documentation.",
                          "It is text."));
  EXPECT_THAT(sentences("    result = compute(first_argument, second_argument, third)\n    return result\n"),
              ElementsAre("result = compute(first_argument, second_argument, third)", "return result"));
}

TEST(Sentences, LineBreaksEndItemsRowsAndCode) {
  EXPECT_THAT(sentences("Title\n\nText here"), ElementsAre("Title", "Text here"));
  EXPECT_THAT(sentences("- a first item of the list that fills the whole line\n- second\n3. third"),
              ElementsAre("- a first item of the list that fills the whole line", "- second", "3. third"));
  EXPECT_THAT(sentences("| a | b |\n| c | d |"), ElementsAre("| a | b |", "| c | d |"));
  EXPECT_THAT(sentences("int a = compute_something_with_a_long_name(first, second);\nint b;"),
              ElementsAre("int a = compute_something_with_a_long_name(first, second);", "int b;"));
}

TEST(Sentences, NothingInNothing) {
  EXPECT_THAT(sentences(""), ElementsAre());
  EXPECT_THAT(sentences(" \n\n\t "), ElementsAre());
}

}  // namespace
}  // namespace ragtime::text
