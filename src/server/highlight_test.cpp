#include "server/highlight.h"

#include <gtest/gtest.h>

namespace ragtime::server {
namespace {

std::string bracket(std::string_view term) {
  return "[" + std::string(term) + "]";
}

TEST(Highlight, StemsAndCaseCount) {
  EXPECT_EQ(make_snippet("Backups are retained for days.", "backup retain", 200, bracket),
            "[Backups] are [retained] for days.");
}

TEST(Highlight, ChineseBigrams) {
  EXPECT_EQ(make_snippet("混合检索中向量权重为0.7。", "向量权重是多少", 200, bracket), "混合检索中[向量权重]为0.7。");
}

TEST(Highlight, LinesBecomeOne) {
  EXPECT_EQ(make_snippet("one\n\n  two\tthree", "zzz", 200, bracket), "one two three");
}

TEST(Highlight, TheWindowMovesToTheTerms) {
  const std::string passage = std::string(400, 'x') + " the answer is here " + std::string(400, 'y');
  const std::string snippet = make_snippet(passage, "answer", 60, bracket);
  EXPECT_NE(snippet.find("[answer]"), std::string::npos) << snippet;
  EXPECT_TRUE(snippet.starts_with("…") && snippet.ends_with("…")) << snippet;
}

TEST(Highlight, TheWindowBeginsWithAWord) {
  std::string passage;
  for (int i = 0; i < 40; ++i) passage += "filling ";
  EXPECT_TRUE(make_snippet(passage + "answer", "answer", 60, bracket).starts_with("…filling "));
}

TEST(Highlight, NothingToMarkShowsTheBeginning) {
  EXPECT_EQ(make_snippet("abcdef", "zzz", 3, bracket), "abc…");
  EXPECT_EQ(make_snippet("", "zzz", 3, bracket), "");
  EXPECT_TRUE(find_terms("abc", "").empty());
}

}  // namespace
}  // namespace ragtime::server
