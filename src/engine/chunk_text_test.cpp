#include "engine/chunk_text.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "text/analyzer.h"

namespace ragtime::engine {
namespace {

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
  EXPECT_EQ(embedding_text("", chunk("Body.")), "Body.");
  EXPECT_EQ(embedding_text("", chunk("Body.", "Install")), "Install\nBody.");
  EXPECT_EQ(embedding_text("Guide", chunk("Body.")), "Guide\nBody.");
  EXPECT_EQ(embedding_text("Guide", chunk("Body.", "Install")), "Guide › Install\nBody.");
  EXPECT_EQ(embedding_text("Guide", chunk("Body.", "Guide › Install")), "Guide › Install\nBody.");
}

TEST(ChunkText, TermsComeFromTheWholeContext) {
  const auto terms = lexical_terms("Handbook", "zebra.md", chunk("Body.", "Install"));
  for (const auto* word : {"handbook", "zebra", "install", "body"}) EXPECT_TRUE(contains(terms, word)) << word;
  EXPECT_FALSE(contains(terms, "md"));
}

TEST(ChunkText, FilenameThatIsTheTitleCountsOnce) {
  const auto terms = lexical_terms("zebra", "zebra.md", chunk("Body."));
  EXPECT_EQ(std::count(terms.begin(), terms.end(), text::analyze("zebra").at(0)), 1);
}

}  // namespace
}  // namespace ragtime::engine
