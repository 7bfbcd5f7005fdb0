#include "text/utf8.h"

#include <string_view>

#include <gtest/gtest.h>

namespace ragtime::text {
namespace {

TEST(Utf8, ValidationFollowsTheStandard) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("abc é 中文 😀"));
  EXPECT_FALSE(is_valid_utf8("\x80"));              // Lone continuation byte.
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));          // Overlong.
  EXPECT_FALSE(is_valid_utf8("\xE0\x80\xAF"));      // Overlong.
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));      // Surrogate.
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));  // Beyond U+10FFFF.
  EXPECT_FALSE(is_valid_utf8("\xE4\xB8"));          // Cut short.
}

TEST(Utf8, CountsAndSlicesByCodePoint) {
  const std::string text = "a中😀b";
  EXPECT_EQ(count_code_points(text), 4u);
  EXPECT_EQ(byte_offset(text, 2), 4u);
  EXPECT_EQ(byte_offset(text, 99), text.size());
  EXPECT_EQ(slice_code_points(text, 1, 3), "中😀");
  EXPECT_EQ(slice_code_points(text, 3, 99), "b");
  EXPECT_EQ(slice_code_points(text, 9, 12), "");
  EXPECT_EQ(slice_code_points(text, 2, 1), "");
}

TEST(Utf8, InvalidBytesCountOneEach) {
  const std::string text = "a\xE4\xB8z";
  EXPECT_EQ(count_code_points(text), 4u);
  std::size_t position = 1;
  EXPECT_EQ(next_code_point(text, position), 0xFFFDu);
  EXPECT_EQ(position, 2u);
}

TEST(Utf8, DecodesEveryLength) {
  const std::string text = "aé中😀";
  std::size_t position = 0;
  EXPECT_EQ(next_code_point(text, position), U'a');
  EXPECT_EQ(next_code_point(text, position), U'é');
  EXPECT_EQ(next_code_point(text, position), U'中');
  EXPECT_EQ(next_code_point(text, position), U'😀');
  EXPECT_EQ(position, text.size());
}

TEST(Utf8, TruncatesOnACodePointBoundary) {
  EXPECT_EQ(truncate_utf8("中文", 6), "中文");
  EXPECT_EQ(truncate_utf8("中文", 5), "中");
  EXPECT_EQ(truncate_utf8("中文", 2), "");
  EXPECT_EQ(truncate_utf8("a😀", 4), "a");
  EXPECT_EQ(truncate_utf8("abc", 0), "");
}

TEST(Utf8, KnowsCjkLetters) {
  using namespace std::string_view_literals;
  for (const char32_t letter : U"中々ひカ한㐀𠀀ｱ"sv) EXPECT_TRUE(is_cjk(letter)) << static_cast<unsigned>(letter);
  for (const char32_t other : U"a。，　！é😀"sv) EXPECT_FALSE(is_cjk(other)) << static_cast<unsigned>(other);
  EXPECT_EQ(cjk_share("hello, world 42"), 0);
  EXPECT_EQ(cjk_share("你好，世界！"), 1);
  EXPECT_DOUBLE_EQ(cjk_share("中文 ab"), 0.5);
  EXPECT_EQ(cjk_share("12 :-)"), 0);
}

}  // namespace
}  // namespace ragtime::text
