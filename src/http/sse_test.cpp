#include "http/sse.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ragtime::http {
namespace {

std::string show(const std::vector<SseEvent>& events) {
  std::string out;
  for (const auto& event : events) out += "[" + event.event + "|" + event.data + "|" + event.id + "]";
  return out;
}

// Feeds `bytes` in one piece, split in two at every position, and one by one; the events must be the same.
std::string parse(const std::string& bytes) {
  SseParser whole;
  const std::string expected = show(whole.feed(bytes));
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    SseParser parser;
    std::string got = show(parser.feed(bytes.substr(0, split)));
    got += show(parser.feed(bytes.substr(split)));
    EXPECT_EQ(got, expected) << "split at " << split;
  }
  SseParser parser;
  std::string got;
  for (const char c : bytes) got += show(parser.feed(std::string_view(&c, 1)));
  EXPECT_EQ(got, expected);
  return expected;
}

TEST(FormatSse, GivesEveryLineItsField) {
  EXPECT_EQ(format_sse("", "{}"), "data: {}\n\n");
  EXPECT_EQ(format_sse("done", "a\nb\r\nc\rd"), "event: done\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(format_sse("", ""), "data: \n\n");
  EXPECT_EQ(format_sse("", "a\n"), "data: a\ndata: \n\n");
}

TEST(FormatSse, IsReadBackByTheParser) {
  EXPECT_EQ(parse(format_sse("x", "a\n\nb") + format_sse("", " leading")), "[x|a\n\nb|][| leading|]");
}

TEST(SseParser, AcceptsEveryLineEnd) {
  EXPECT_EQ(parse("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\r\n\n"), "[|a|][|b|][|c|][|d|]");
}

TEST(SseParser, JoinsLinesAndKeepsTheId) {
  EXPECT_EQ(parse("id: 7\nevent: e\ndata: a\ndata:b\ndata\n\ndata: next\n\n"), "[e|a\nb\n|7][|next|7]");
}

TEST(SseParser, SkipsCommentsByteOrderMarkAndUnknownFields) {
  EXPECT_EQ(parse("\xEF\xBB\xBF: hello\ndata: a\nretry: 5\nnothing\n:\n\n"), "[|a|]");
  EXPECT_EQ(parse("\xEF\xBB\xBF"
                  "data: a\n\n"),
            "[|a|]");
}

TEST(SseParser, EventsWithoutDataAreNotSent) {
  EXPECT_EQ(parse("event: ping\n\nid: 3\n\ndata: x\n\n"), "[|x|3]");
}

TEST(SseParser, AnUnfinishedEventIsPending) {
  SseParser parser;
  EXPECT_TRUE(parser.feed("data: abc\ndata: de").empty());
  EXPECT_EQ(parser.pending_bytes(), 3u + 8u);
  EXPECT_EQ(show(parser.feed("f\n\n")), "[|abc\ndef|]");
  EXPECT_EQ(parser.pending_bytes(), 0u);
}

TEST(SseParser, AnIdWithNulIsIgnored) {
  EXPECT_EQ(parse(std::string("id: a\0b\ndata: x\n\n", 17)), "[|x|]");
}

}  // namespace
}  // namespace ragtime::http
