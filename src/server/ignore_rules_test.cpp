#include "server/ignore_rules.h"

#include <gtest/gtest.h>

namespace ragtime::server {
namespace {

bool ignored(std::string_view rules, std::string_view path, bool is_directory = false) {
  IgnoreRules out;
  out.add(rules);
  return out.match(path, is_directory) == IgnoreVerdict::ignored;
}

TEST(Glob, StarStopsAtTheSlash) {
  EXPECT_TRUE(glob_match("*.txt", "a.txt"));
  EXPECT_TRUE(glob_match("a*b*c", "axxbyyc"));
  EXPECT_FALSE(glob_match("a*b*c", "axxbyyd"));
  EXPECT_FALSE(glob_match("*.txt", "a/b.txt"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_FALSE(glob_match("?", "/"));
  EXPECT_TRUE(glob_match("a?c", "abc"));
}

TEST(Glob, DoubleStarCrossesDirectories) {
  EXPECT_TRUE(glob_match("**/foo", "foo"));
  EXPECT_TRUE(glob_match("**/foo", "a/b/foo"));
  EXPECT_FALSE(glob_match("**/foo", "a/bfoo"));
  EXPECT_TRUE(glob_match("a/**", "a/b/c"));
  EXPECT_FALSE(glob_match("a/**", "b/a/c"));
  EXPECT_TRUE(glob_match("a/**/b", "a/b"));
  EXPECT_TRUE(glob_match("a/**/b", "a/x/y/b"));
  EXPECT_TRUE(glob_match("a/**/*.c", "a/x/y/z.c"));
  EXPECT_FALSE(glob_match("a/**/*.c", "a/x/y/z.d"));
}

TEST(Glob, Classes) {
  EXPECT_TRUE(glob_match("[abc].o", "b.o"));
  EXPECT_TRUE(glob_match("[a-c]x", "cx"));
  EXPECT_FALSE(glob_match("[a-c]x", "dx"));
  EXPECT_TRUE(glob_match("[!a-c]x", "dx"));
  EXPECT_TRUE(glob_match("[^a]x", "bx"));
  EXPECT_TRUE(glob_match("[]]x", "]x"));
  EXPECT_TRUE(glob_match("[a", "[a")) << "an open bracket without its end is literal";
  EXPECT_TRUE(glob_match("\\*", "*"));
  EXPECT_FALSE(glob_match("\\*", "a"));
}

TEST(IgnoreRules, NamesMatchAtAnyDepth) {
  EXPECT_TRUE(ignored("*.log", "a.log"));
  EXPECT_TRUE(ignored("*.log", "deep/er/a.log"));
  EXPECT_FALSE(ignored("*.log", "a.txt"));
}

TEST(IgnoreRules, ASlashAnchors) {
  EXPECT_TRUE(ignored("/a.log", "a.log"));
  EXPECT_FALSE(ignored("/a.log", "x/a.log"));
  EXPECT_TRUE(ignored("doc/frotz", "doc/frotz"));
  EXPECT_FALSE(ignored("doc/frotz", "a/doc/frotz"));
}

TEST(IgnoreRules, ATrailingSlashMeansDirectories) {
  EXPECT_TRUE(ignored("build/", "build", true));
  EXPECT_TRUE(ignored("build/", "a/build", true));
  EXPECT_FALSE(ignored("build/", "build", false));
}

TEST(IgnoreRules, TheLastMatchDecides) {
  EXPECT_FALSE(ignored("*.txt\n!keep.txt\n", "keep.txt"));
  EXPECT_TRUE(ignored("!keep.txt\n*.txt\n", "keep.txt"));
}

TEST(IgnoreRules, CommentsBlanksAndLineEnds) {
  EXPECT_FALSE(ignored("# *.txt\n\n   \n", "a.txt"));
  EXPECT_TRUE(ignored("*.txt  \r\n", "a.txt"));
  EXPECT_TRUE(ignored("\\#x", "#x"));
  EXPECT_TRUE(ignored("\\!x", "!x"));
}

}  // namespace
}  // namespace ragtime::server
