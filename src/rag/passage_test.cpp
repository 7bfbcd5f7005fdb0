#include "rag/passage.h"

#include <gmock/gmock.h>

namespace ragtime::rag {
namespace {

using testing::ElementsAre;

text::Chunk chunk_of(std::string text, text::ChunkKind kind = text::ChunkKind::prose) {
  text::Chunk chunk;
  chunk.kind = kind;
  chunk.text = std::move(text);
  return chunk;
}

std::vector<std::string> texts(const text::Chunk& chunk) {
  std::vector<std::string> all;
  for (const Piece& piece : split_passage(chunk)) all.emplace_back(piece.of(chunk.text));
  return all;
}

std::vector<PieceKind> kinds(const text::Chunk& chunk) {
  std::vector<PieceKind> all;
  for (const Piece& piece : split_passage(chunk)) all.push_back(piece.kind);
  return all;
}

TEST(Passage, SentencesOfProse) {
  EXPECT_THAT(texts(chunk_of("One is here. Two is there.\n\n第一句。第二句！")),
              ElementsAre("One is here.", "Two is there.", "第一句。", "第二句！"));
}

TEST(Passage, ListMarkersAndFramesAreNotQuoted) {
  EXPECT_THAT(texts(chunk_of("- first\n- [ ] second\n  * third\n12. fourth\n│  │  - fifth   │\n> sixth\n- 2.5 GB")),
              ElementsAre("first", "second", "third", "fourth", "fifth", "sixth", "2.5 GB"));
}

TEST(Passage, LinesOfFencedCodeAndTheTextAround) {
  const auto chunk = chunk_of("Set it. Then go.\n\n```python\na = 1  # one. two.\n\nb = 2\n```\nDone.");
  EXPECT_THAT(texts(chunk), ElementsAre("Set it.", "Then go.", "a = 1  # one. two.", "b = 2", "Done."));
  EXPECT_THAT(kinds(chunk), ElementsAre(PieceKind::sentence, PieceKind::sentence, PieceKind::code, PieceKind::code,
                                        PieceKind::sentence));
}

TEST(Passage, ChunkThatBeginsInsideCode) {
  const auto chunk = chunk_of("# not a heading\nx = 3\n```\n\n## Heading\n\n```bash\nrun\n```");
  EXPECT_THAT(kinds(chunk), ElementsAre(PieceKind::code, PieceKind::code, PieceKind::heading, PieceKind::code));
}

TEST(Passage, ChunkOfKindCodeIsCodeUnlessItHasFences) {
  EXPECT_THAT(kinds(chunk_of("# comment\nx = 3", text::ChunkKind::code)),
              ElementsAre(PieceKind::code, PieceKind::code));
  EXPECT_THAT(kinds(chunk_of("# heading\n\n```sh\nx\n```", text::ChunkKind::code)),
              ElementsAre(PieceKind::heading, PieceKind::code));
}

TEST(Passage, TableRowsKnowTheirHeader) {
  const auto chunk = chunk_of("| name | size |\n|---|:-:|\n| a | 1 |\n| b | 2 |");
  EXPECT_THAT(kinds(chunk), ElementsAre(PieceKind::table_header, PieceKind::table_row, PieceKind::table_row));
  EXPECT_THAT(texts(chunk), ElementsAre("| name | size |", "| a | 1 |", "| b | 2 |"));
}

TEST(Passage, WithoutWordsThereIsNothingToQuote) {
  EXPECT_THAT(texts(chunk_of("")), ElementsAre());
  EXPECT_THAT(texts(chunk_of("---\n\n├───┤\n…\n🎉")), ElementsAre());
}

TEST(Passage, CitationsCountCodePointsOfTheDocument) {
  engine::SearchHit hit;
  hit.chunk_id = 7;
  hit.file_id = "file-1";
  hit.filename = "a.md";
  hit.store_id = "vs_1";
  hit.chunk = chunk_of("向量，😀 库。");
  hit.chunk.begin = 100;
  hit.chunk.page_first = 3;
  hit.chunk.heading_path = "A › B";
  const std::size_t begin = std::string("向量，").size();
  const Citation citation = cite(hit, begin, hit.chunk.text.size());
  EXPECT_EQ(citation.quote, "😀 库。");
  EXPECT_EQ(citation.begin, 103u);
  EXPECT_EQ(citation.end, 107u);
  EXPECT_EQ(citation.page, 3);
  EXPECT_EQ(citation.heading_path, "A › B");
  EXPECT_EQ(citation.file_id, "file-1");
  EXPECT_EQ(citation.filename, "a.md");
  EXPECT_EQ(citation.store_id, "vs_1");
  EXPECT_EQ(citation.chunk_id, 7);
}

}  // namespace
}  // namespace ragtime::rag
