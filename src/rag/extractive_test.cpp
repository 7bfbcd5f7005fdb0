#include "rag/extractive.h"

#include <gmock/gmock.h>

#include "text/utf8.h"

namespace ragtime::rag {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

engine::SearchHit hit_of(std::string filename, std::string text, float score = 1) {
  static std::int64_t next_id = 0;
  engine::SearchHit hit;
  hit.chunk_id = ++next_id;
  hit.file_id = "file-" + filename;
  hit.filename = std::move(filename);
  hit.chunk.text = std::move(text);
  hit.score = score;
  return hit;
}

std::vector<std::string> texts(const std::vector<ExtractedSentence>& sentences) {
  std::vector<std::string> all;
  for (const ExtractedSentence& sentence : sentences) all.push_back(sentence.text);
  return all;
}

std::string best(std::string_view question, const std::vector<engine::SearchHit>& hits) {
  const auto sentences = extract_sentences(question, hits, 4);
  return sentences.empty() ? "" : sentences.front().text;
}

TEST(Extractive, TheSentenceThatSpeaksOfTheQuestion) {
  const std::vector hits = {hit_of("a.txt", "Cats sleep all day. The river Nile flows north. Dogs bark."),
                            hit_of("b.txt", "The Nile is a river in Africa.")};
  EXPECT_EQ(best("Which direction does the Nile river flow?", hits), "The river Nile flows north.");
}

TEST(Extractive, CitationIsTheExactRangeOfTheDocument) {
  auto hit = hit_of("a.txt", "前言。缓存保存三十分钟。后记。");
  hit.chunk.begin = 50;
  const auto sentences = extract_sentences("缓存保存多长时间", {hit}, 4);
  ASSERT_THAT(sentences, SizeIs(1));
  const Citation& citation = sentences[0].citation;
  EXPECT_EQ(citation.quote, "缓存保存三十分钟。");
  EXPECT_EQ(citation.begin, 53u);
  EXPECT_EQ(citation.end, 62u);
  EXPECT_TRUE(citation.verified);
  EXPECT_EQ(text::slice_code_points(hit.chunk.text, citation.begin - 50, citation.end - 50), citation.quote);
}

TEST(Extractive, ANumberIsPreferredWhereOneIsAskedFor) {
  const std::vector hits = {hit_of("a.md",
                                   "Reduce batch_size when memory is short. The batch_size matters a lot.\n\n"
                                   "```python\nself.batch_size = batch_size\nbatch_size=64\nworkers=8\n```")};
  EXPECT_EQ(best("What is the default value of batch_size?", hits), "`batch_size=64`");
  EXPECT_EQ(best("batch_size 设为多少", hits), "`batch_size=64`");
}

TEST(Extractive, TheNumberBesideTheTermCounts) {
  const std::vector hits = {hit_of("a.md", "There are 5 servers with retries.\n\nThe retries are 7 at most.")};
  EXPECT_EQ(best("how many retries", hits), "The retries are 7 at most.");
}

TEST(Extractive, ChineseWordsFindEnglishCode) {
  const std::vector hits = {
      hit_of("a.md", "混合检索的配置：\n\n```python\nchunk_size=1000\nvector_weight=0.7,\nkeyword_limit=20\n```")};
  EXPECT_EQ(best("混合检索中向量权重是多少", hits), "`vector_weight=0.7,`");
}

TEST(Extractive, ADurationBeatsAnotherNumber) {
  const std::vector hits = {hit_of("a.md", "- 会话缓存最多 500 条\n- 会话缓存保留 20 分钟\n")};
  EXPECT_EQ(best("会话缓存多长时间", hits), "会话缓存保留 20 分钟");
}

TEST(Extractive, AYearForWhen) {
  const std::vector hits = {
      hit_of("a.txt", "The tower was built by masons. The tower was built in 1889 near the river.")};
  EXPECT_EQ(best("When was the tower built?", hits), "The tower was built in 1889 near the river.");
}

TEST(Extractive, TableRowsAreReadWithTheirHeader) {
  const std::vector hits = {hit_of("a.md",
                                   "| model | dimensions |\n|---|---|\n| small | 384 |\n| large | 1024 |\n\n"
                                   "The large model is slow.")};
  EXPECT_EQ(best("How many dimensions has the large model?", hits), "| large | 1024 |");
}

TEST(Extractive, HeadingsGiveContextButAreNoAnswer) {
  const std::vector hits = {hit_of(
      "a.md", "## Redis cache timeout\n\nIt ends after 45 seconds.\n\n## Kafka timeout\n\nIt ends after 9 seconds.")};
  const auto sentences = extract_sentences("How long is the Redis timeout until it ends?", hits, 4);
  ASSERT_FALSE(sentences.empty());
  EXPECT_EQ(sentences[0].text, "It ends after 45 seconds.");
}

TEST(Extractive, AQuestionInTheTextIsNoAnswer) {
  const std::vector hits = {hit_of("faq.md", "How do I delete a store?\n\nA store is deleted with the delete button.")};
  EXPECT_EQ(best("How do I delete a store?", hits), "A store is deleted with the delete button.");
}

TEST(Extractive, AFragmentIsQuotedWithWhatItContinues) {
  const std::vector hits = {
      hit_of("a.md", "The limits of the upload service are:\n- 20 megabytes\n\nOther words here.")};
  const auto sentences = extract_sentences("How many megabytes?", hits, 1);
  ASSERT_THAT(sentences, SizeIs(1));
  EXPECT_EQ(sentences[0].citation.quote, "The limits of the upload service are:\n- 20 megabytes");
  EXPECT_EQ(sentences[0].text, "The limits of the upload service are: - 20 megabytes");
}

TEST(Extractive, CopiesAndOverlapsAreTakenOnce) {
  auto first = hit_of("a.txt", "Filler stands here. The pump moves 30 litres of water.");
  auto overlap = hit_of("a.txt", "The pump moves 30 litres of water. More filler.");
  overlap.chunk.begin = 20;
  const auto copy = hit_of("copy.txt", "The pump moves 30 litres of water.");
  EXPECT_THAT(extract_sentences("How much water moves the pump?", {first, overlap, copy}, 4), SizeIs(1));
}

TEST(Extractive, NeverMoreThanWanted) {
  std::string text;
  for (const char* word : {"red", "green", "blue", "black", "white", "brown"}) {
    text += std::string("A ") + word + " apple tree named " + word + "y grows in a " + word + " garden. ";
  }
  EXPECT_THAT(extract_sentences("Where grows the apple tree?", {hit_of("a.txt", text)}, 3), SizeIs(3));
  EXPECT_THAT(extract_sentences("Where grows the apple tree?", {hit_of("a.txt", text)}, 0), IsEmpty());
}

TEST(Extractive, NothingMatches) {
  const std::vector hits = {hit_of("a.txt", "The pump moves water."), hit_of("b.txt", "Redis is a cache.")};
  EXPECT_THAT(extract_sentences("What is the boiling point of mercury?", hits, 4), IsEmpty());
  EXPECT_THAT(extract_sentences("是什么？", hits, 4), IsEmpty());
  EXPECT_THAT(extract_sentences("Redis", {}, 4), IsEmpty());
}

TEST(Extractive, SimilarVectorsAnswerWithoutACommonWord) {
  auto hit = hit_of("a.txt", "Select the entry and press delete. It is gone then.");
  hit.dense_score = 0.7f;
  EXPECT_THAT(texts(extract_sentences("getting rid of a document", {hit}, 4)),
              ElementsAre("Select the entry and press delete."));
}

TEST(Extractive, NoAnswerInTheLanguageOfTheQuestion) {
  EXPECT_EQ(no_answer_text("Why?"), "The documents do not contain an answer to this question.");
  EXPECT_THAT(no_answer_text("为什么会这样"), HasSubstr("文档中没有"));
}

}  // namespace
}  // namespace ragtime::rag
