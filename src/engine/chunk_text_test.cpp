#include "engine/chunk_text.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/analyzer.h"
#include "text/chunker.h"

namespace ragtime::engine {
namespace {

using ::testing::ElementsAre;

text::Chunk chunk(const std::string& text, const std::string& heading_path = {}) {
  text::Chunk result;
  result.text = text;
  result.heading_path = heading_path;
  return result;
}

bool contains(const std::vector<std::string>& terms, const std::string& word) {
  const auto wanted = text::analyze(word);
  return std::find(terms.begin(), terms.end(), wanted.at(0)) != terms.end();
}

TEST(ChunkText, EmbeddingSeesTitleAndHeadings) {
  EXPECT_THAT(embedding_texts("", chunk("Body."), 256), ElementsAre("Body."));
  EXPECT_THAT(embedding_texts("", chunk("Body.", "Install"), 256), ElementsAre("Install\nBody."));
  EXPECT_THAT(embedding_texts("Guide", chunk("Body."), 256), ElementsAre("Guide\nBody."));
  EXPECT_THAT(embedding_texts("Guide", chunk("Body.", "Install"), 256), ElementsAre("Guide › Install\nBody."));
  EXPECT_THAT(embedding_texts("Guide", chunk("Body.", "Guide › Install"), 0), ElementsAre("Guide › Install\nBody."));
}

TEST(ChunkText, LongChunkIsEmbeddedInEqualParts) {
  std::string body;
  for (int i = 0; i < 60; ++i) body += "This is the sentence with the number " + std::to_string(i) + ". ";
  EXPECT_EQ(embedding_texts("T", chunk(body), 0).size(), 1u);
  const auto texts = embedding_texts("T", chunk(body), 128);
  ASSERT_GT(texts.size(), 3u);
  std::string together;
  for (const auto& part : texts) {
    ASSERT_TRUE(part.starts_with("T\n")) << part;
    EXPECT_LE(text::count_tokens(part), 128);
    EXPECT_GE(text::count_tokens(part), 60);
    EXPECT_TRUE(part.starts_with("T\nThis is")) << part;
    together += part.substr(2);
  }
  EXPECT_EQ(together, body);
}

TEST(ChunkText, ChunkWithoutSentencesIsOneText) {
  EXPECT_EQ(embedding_texts("", chunk(std::string(5000, 'x')), 128).size(), 1u);
  EXPECT_THAT(embedding_texts("", chunk(""), 128), ElementsAre(""));
  const std::string long_title(5000, 't');
  EXPECT_EQ(embedding_texts(long_title, chunk("Body."), 128).size(), 1u);
}

TEST(ChunkText, TermsComeFromTheWholeContext) {
  const auto terms = lexical_terms("Handbook", "zebra.md", chunk("Body.", "Install"));
  for (const auto* word : {"handbook", "zebra", "install", "body"}) EXPECT_TRUE(contains(terms, word)) << word;
  EXPECT_FALSE(contains(terms, "md"));
}

TEST(ChunkText, FieldsAreApart) {
  const auto fields = lexical_fields("Handbook", "zebra.md", chunk("Body.", "Install"));
  for (const auto* word : {"handbook", "zebra", "install"}) EXPECT_TRUE(contains(fields.heading, word)) << word;
  EXPECT_THAT(fields.body, ElementsAre(text::analyze("body").at(0)));
  EXPECT_FALSE(contains(fields.heading, "body"));
}

TEST(ChunkText, AnalysisHasAFingerprint) {
  EXPECT_EQ(analysis_fingerprint().size(), 16u);
  EXPECT_EQ(analysis_fingerprint(), analysis_fingerprint());
}

TEST(ChunkText, FilenameThatIsTheTitleCountsOnce) {
  const auto terms = lexical_terms("zebra", "zebra.md", chunk("Body."));
  EXPECT_EQ(std::count(terms.begin(), terms.end(), text::analyze("zebra").at(0)), 1);
}

}  // namespace
}  // namespace ragtime::engine
