#include "server/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/captured_terminal_for_test.h"

namespace ragtime::server {
namespace {

using ::testing::ElementsAre;

TEST(DisplayWidth, EastAsianEmojiAndCombining) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("向量权重"), 8u);
  EXPECT_EQ(display_width("🙂"), 2u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("\033[1mab\033[0m"), 2u);
}

TEST(FitColumns, CutsWholeCharacters) {
  EXPECT_EQ(fit_columns("abc", 3), "abc");
  EXPECT_EQ(fit_columns("abcd", 3), "ab…");
  EXPECT_EQ(fit_columns("向量权重", 4), "向…");
  EXPECT_EQ(fit_columns("向量权重", 5), "向量…");
}

TEST(WrapColumns, BreaksAtSpacesAndBetweenWideCharacters) {
  EXPECT_THAT(wrap_columns("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap_columns("向量权重", 4), ElementsAre("向量", "权重"));
  EXPECT_THAT(wrap_columns("unbreakable", 4), ElementsAre("unbr", "eaka", "ble"));
  EXPECT_THAT(wrap_columns("a\nb", 10), ElementsAre("a", "b"));
  EXPECT_THAT(wrap_columns("", 10), ElementsAre(""));
}

TEST(Terminal, AFileGetsNeitherColoursNorCursorMovement) {
  CapturedTerminal terminal;
  EXPECT_FALSE((*terminal).interactive());
  EXPECT_EQ((*terminal).styled(Style::red, "x"), "x");
}

TEST(Table, AlignsByDisplayWidth) {
  CapturedTerminal terminal;
  Table table({"name", "count"});
  table.row({"向量", "7"});
  table.row({"x", "12"});
  table.print(*terminal);
  EXPECT_EQ(terminal.text(), "name  count\n向量      7\nx        12\n");
}

TEST(Format, BytesDurationsCounts) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1234), "1.2 kB");
  EXPECT_EQ(format_bytes(250e6), "250 MB");
  EXPECT_EQ(format_duration(std::chrono::milliseconds(350)), "350 ms");
  EXPECT_EQ(format_duration(std::chrono::milliseconds(4210)), "4.2 s");
  EXPECT_EQ(format_duration(std::chrono::seconds(200)), "3 min 20 s");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(999), "999");
}

TEST(Progress, EstimatesTheRemainingTime) {
  CapturedTerminal terminal;
  Progress progress(*terminal, "documents", 100, false);
  EXPECT_EQ(progress.render(25, "80 chunks", std::chrono::seconds(10)), "25/100 documents, 80 chunks, 30.0 s left");
  EXPECT_EQ(progress.render(100, "", std::chrono::seconds(10)), "100/100 documents");
}

TEST(Progress, ShortWorkPrintsNothingIntoAFile) {
  CapturedTerminal terminal;
  {
    Progress progress(*terminal, "documents", 2, false);
    progress.update(1, "");
    progress.update(2, "");
  }
  EXPECT_EQ(terminal.text(), "");
}

}  // namespace
}  // namespace ragtime::server
