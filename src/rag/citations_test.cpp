#include "rag/citations.h"

#include <random>

#include <gmock/gmock.h>

#include "text/utf8.h"

namespace ragtime::rag {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

engine::SearchHit hit_of(std::string filename, std::string text) {
  engine::SearchHit hit;
  hit.file_id = filename;
  hit.filename = std::move(filename);
  hit.chunk.text = std::move(text);
  return hit;
}

class CitationStreamTest : public testing::Test {
 protected:
  const std::vector<engine::SearchHit> hits_ = {
      hit_of("1", "Filler comes first. The cache keeps entries for 30 minutes. Bananas are yellow."),
      hit_of("2", "HNSW 使用 200 作为 ef_construction 的默认值。其他内容。"), hit_of("3", "Third document.")};

  struct Outcome {
    std::string text;
    std::vector<std::pair<std::string, std::size_t>> cited;  // File and index.
    bool operator==(const Outcome&) const = default;
  };

  CitationStream make_stream() const { return CitationStream({&hits_[0], &hits_[1], &hits_[2]}); }

  static void add(std::vector<CitationEvent> events, Outcome& outcome) {
    for (const CitationEvent& event : events) {
      outcome.text += event.text;
      if (event.citation) {
        EXPECT_EQ(event.citation->index, text::count_code_points(outcome.text));
        outcome.cited.emplace_back(event.citation->file_id, event.citation->index);
      }
    }
  }

  Outcome read(std::string_view answer) const {
    CitationStream stream = make_stream();
    Outcome outcome;
    add(stream.feed(answer), outcome);
    add(stream.finish(), outcome);
    EXPECT_EQ(stream.text(), outcome.text);
    return outcome;
  }
};

TEST_F(CitationStreamTest, MarkersBecomeCitations) {
  const Outcome outcome = read("One claim [1]. Another[2][3], and more [1] here.");
  EXPECT_EQ(outcome.text, "One claim. Another, and more here.");
  EXPECT_THAT(outcome.cited, ElementsAre(Pair("1", 9), Pair("2", 18), Pair("3", 18), Pair("1", 28)));
}

TEST_F(CitationStreamTest, IndexCountsCodePoints) {
  const Outcome outcome = read("默认值是 200【2】。😀[1]完");
  EXPECT_EQ(outcome.text, "默认值是 200。😀完");
  EXPECT_THAT(outcome.cited, ElementsAre(Pair("2", 8), Pair("1", 10)));
}

TEST_F(CitationStreamTest, ListsRangesAndFootnotes) {
  EXPECT_THAT(read("A [1, 3].").cited, ElementsAre(Pair("1", 1), Pair("3", 1)));
  EXPECT_THAT(read("A [1-3]").cited, ElementsAre(Pair("1", 1), Pair("2", 1), Pair("3", 1)));
  EXPECT_THAT(read("A[1、2]").cited, ElementsAre(Pair("1", 1), Pair("2", 1)));
  EXPECT_THAT(read("A [^2]").cited, ElementsAre(Pair("2", 1)));
  EXPECT_THAT(read("A [1] [1][1]").cited, ElementsAre(Pair("1", 1)));
}

TEST_F(CitationStreamTest, UnknownNumbersVanish) {
  const Outcome outcome = read("A claim [4], one [99] and [0].");
  EXPECT_EQ(outcome.text, "A claim, one and.");
  EXPECT_THAT(outcome.cited, IsEmpty());
}

TEST_F(CitationStreamTest, CodeLinksAndElementsAreLeftAlone) {
  for (const std::string text :
       {"use `a[1]` here", "```\nx = a[1]\n```\n", "``a`[1]``", "see [1](http://x.y)", "the value array[0] is",
        "a [word] and [1", "[12345]", "[]", "[1,]", "[ ]", "【一】", "tail 【", "x [1, y]"}) {
    const Outcome outcome = read(text);
    EXPECT_EQ(outcome.text, text);
    EXPECT_THAT(outcome.cited, IsEmpty()) << text;
  }
}

TEST_F(CitationStreamTest, AForgottenBacktickEndsWithItsParagraph) {
  EXPECT_THAT(read("it`s so [1]\n\nand [2]").cited, ElementsAre(Pair("2", 16)));
}

TEST_F(CitationStreamTest, SpacesAroundMarkers) {
  EXPECT_EQ(read("[1] begins").text, "begins");
  EXPECT_EQ(read("line\n[1] begins").text, "line\nbegins");
  EXPECT_EQ(read("one [1]two").text, "one two");
  EXPECT_EQ(read("one [1] two").text, "one two");
  EXPECT_EQ(read("keep   these    [x]   spaces  ").text, "keep   these    [x]   spaces  ");
}

TEST_F(CitationStreamTest, TextIsNotHeldBackWithoutNeed) {
  CitationStream stream = make_stream();
  const auto events = stream.feed("plain words");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "plain words");
  EXPECT_THAT(stream.feed(" [1"), IsEmpty());
  EXPECT_THAT(stream.feed("]"), IsEmpty());
  EXPECT_EQ(stream.feed(".").size(), 2u);
}

TEST_F(CitationStreamTest, HoldsBoundedText) {
  CitationStream stream = make_stream();
  std::size_t given = 0;
  const std::string brackets = "[" + std::string(100'000, ' ');
  for (const CitationEvent& event : stream.feed(brackets)) given += event.text.size();
  EXPECT_GT(given, brackets.size() - 200);
}

// Random texts of the pieces that matter, cut at random bytes, give what the whole text gives.
TEST_F(CitationStreamTest, AnySplitGivesTheSame) {
  constexpr std::array kPieces = {"[1]", "[", "]",    "【2】", "【",   "】", " ",    "\n",     "`",   "```", "[1, 2]",
                                  "[4]", "(", "word", "向量",  "😀",    ".",  "。",   "[1](",   "　",  "あ",  "1",
                                  "[0]", ",", "-",    "^",     "[^3]", "  ", "\n\n", "[2][3]", "a[1]"};
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 3000; ++round) {
    std::string answer;
    for (std::size_t n = random() % 20; n > 0; --n) answer += kPieces[random() % kPieces.size()];
    CitationStream stream = make_stream();
    Outcome split;
    for (std::size_t at = 0; at < answer.size();) {
      const std::size_t length = 1 + random() % 4;
      add(stream.feed(std::string_view(answer).substr(at, length)), split);
      at += length;
    }
    add(stream.finish(), split);
    ASSERT_EQ(split, read(answer)) << answer;
  }
}

TEST_F(CitationStreamTest, EveryDeltaIsWholeCodePoints) {
  CitationStream stream = make_stream();
  const std::string answer = "向量😀あ【库";
  for (const char byte : answer) {
    for (const CitationEvent& event : stream.feed(std::string_view(&byte, 1))) {
      EXPECT_TRUE(text::is_valid_utf8(event.text));
    }
  }
}

TEST_F(CitationStreamTest, QuotesTheSentenceThatSupportsTheClaim) {
  CitationStream stream = make_stream();
  std::vector<Citation> citations;
  for (const CitationEvent& event : stream.feed("Bananas exist. Entries stay in the cache for 30 minutes [1]. ")) {
    if (event.citation) citations.push_back(*event.citation);
  }
  ASSERT_EQ(citations.size(), 1u);
  EXPECT_EQ(citations[0].quote, "The cache keeps entries for 30 minutes.");
  EXPECT_TRUE(citations[0].verified);
}

TEST(CiteSupport, UnsupportedClaimsAreNotVerified) {
  const auto hit = hit_of("1", "The cache keeps entries for 30 minutes. Bananas are yellow.");
  EXPECT_TRUE(cite_support("The cache keeps entries for 30 minutes", hit).verified);
  EXPECT_FALSE(cite_support("The cache keeps entries for 45 minutes", hit).verified) << "another number";
  EXPECT_FALSE(cite_support("Elephants never forget anything", hit).verified);
  EXPECT_FALSE(cite_support("", hit).verified);
  EXPECT_FALSE(cite_support("Elephants never forget anything", hit).quote.empty());
  EXPECT_TRUE(cite_support("1. The cache keeps its entries", hit).verified) << "the number of a list item";
}

}  // namespace
}  // namespace ragtime::rag
