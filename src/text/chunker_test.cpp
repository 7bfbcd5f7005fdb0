#include "text/chunker.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>

#include "text/utf8.h"

namespace ragtime::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// Builds a document block by block, with text between the blocks that belongs to none.
class DocumentBuilder {
 public:
  explicit DocumentBuilder(std::string between = "\n\n") : between_(std::move(between)) {}

  DocumentBuilder& heading(int level, std::string_view text) {
    add(BlockKind::heading, text).heading_level = level;
    return *this;
  }
  DocumentBuilder& block(BlockKind kind, std::string_view text, int page = 0) {
    add(kind, text).page = page;
    return *this;
  }
  DocumentBuilder& paragraph(std::string_view text, int page = 0) { return block(BlockKind::paragraph, text, page); }
  Document build() const { return document_; }

 private:
  Block& add(BlockKind kind, std::string_view text) {
    if (!document_.text.empty()) document_.text += between_;
    const std::size_t begin = document_.text.size();
    document_.text += text;
    document_.blocks.push_back({.kind = kind, .begin = begin, .end = document_.text.size()});
    return document_.blocks.back();
  }

  std::string between_;
  Document document_;
};

std::string sentences(int count, std::string_view topic = "storage") {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += (i == 0 ? "" : " ") + std::string("Sentence ") + std::to_string(i) + " tells about " + std::string(topic) +
            " and its limits.";
  }
  return text;
}

// Byte offset of every code point, and the size of the text.
std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t position = 0; position < text.size(); next_code_point(text, position)) offsets.push_back(position);
  offsets.push_back(text.size());
  return offsets;
}

void expect_invariants(const Document& document, const ChunkingOptions& options, const std::vector<Chunk>& chunks) {
  const std::vector<std::size_t> offsets = code_point_offsets(document.text);
  const auto slice = [&](std::size_t begin, std::size_t end) {
    return std::string_view(document.text).substr(offsets[begin], offsets[end] - offsets[begin]);
  };
  std::vector<bool> covered(document.text.size(), false);
  std::size_t previous_begin = 0;
  std::size_t previous_end = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks[i];
    ASSERT_EQ(chunk.ordinal, static_cast<int>(i));
    ASSERT_LT(chunk.begin, chunk.end);
    ASSERT_LT(chunk.end, offsets.size());
    ASSERT_EQ(chunk.text, slice(chunk.begin, chunk.end));
    ASSERT_TRUE(is_valid_utf8(chunk.text));
    ASSERT_EQ(chunk.tokens, count_tokens(chunk.text));
    ASSERT_LE(chunk.page_first, chunk.page_last);
    const bool counts_characters = options.strategy == ChunkingStrategy::characters;
    const int length = counts_characters ? static_cast<int>(chunk.end - chunk.begin) : chunk.tokens;
    ASSERT_LE(length, std::max(1, options.size));
    if (i > 0) {
      ASSERT_GT(chunk.begin, previous_begin);
      ASSERT_GT(chunk.end, previous_end);
    }
    if (i > 0 && chunk.begin < previous_end) {
      const auto overlap = slice(chunk.begin, previous_end);
      const int amount = counts_characters ? static_cast<int>(previous_end - chunk.begin) : count_tokens(overlap);
      ASSERT_LE(amount, std::min(options.overlap, options.size / 2));
    }
    previous_begin = chunk.begin;
    previous_end = chunk.end;
    std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(offsets[chunk.begin]), chunk.text.size(), true);
  }
  for (const Block& block : document.blocks) {
    for (std::size_t byte = block.begin; byte < block.end; ++byte) ASSERT_TRUE(covered[byte]) << "byte " << byte;
  }
}

TEST(CountTokens, FollowsTheEstimate) {
  EXPECT_EQ(count_tokens(""), 0);
  EXPECT_EQ(count_tokens(" \n\t "), 0);
  EXPECT_EQ(count_tokens("word"), 1);
  EXPECT_EQ(count_tokens("internationalisation"), 4);
  EXPECT_EQ(count_tokens("中文分词"), 4);
  EXPECT_EQ(count_tokens("a, b."), 4);
  EXPECT_EQ(count_tokens("😀😀"), 2);
  EXPECT_EQ(count_tokens("--------"), 2);
  EXPECT_EQ(count_tokens("2024"), 2);
}

TEST(CountTokens, IsAboutFourLettersOfEnglish) {
  const std::string text = sentences(100);
  const double letters_per_token = static_cast<double>(text.size()) / count_tokens(text);
  EXPECT_GT(letters_per_token, 3.2);
  EXPECT_LT(letters_per_token, 5.0);
}

TEST(ParseChunkingStrategy, KnowsItsNames) {
  EXPECT_EQ(*parse_chunking_strategy("auto"), ChunkingStrategy::automatic);
  EXPECT_EQ(*parse_chunking_strategy("prose"), ChunkingStrategy::prose);
  EXPECT_EQ(*parse_chunking_strategy("markdown"), ChunkingStrategy::markdown);
  EXPECT_EQ(*parse_chunking_strategy("code"), ChunkingStrategy::code);
  EXPECT_EQ(*parse_chunking_strategy("table"), ChunkingStrategy::table);
  EXPECT_EQ(*parse_chunking_strategy("characters"), ChunkingStrategy::characters);
  const auto unknown = parse_chunking_strategy("words");
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(unknown.error().message, HasSubstr("words"));
}

TEST(Chunker, NothingFromAnEmptyDocument) {
  EXPECT_TRUE(chunk_document({}, {}).empty());
  Document blank;
  blank.text = " \n\n ";
  EXPECT_TRUE(chunk_document(blank, {}).empty());
}

TEST(Chunker, TextWithoutBlocksIsProse) {
  Document document;
  document.text = sentences(200);
  const auto chunks = chunk_document(document, {.size = 200, .overlap = 0});
  expect_invariants(document, {.size = 200, .overlap = 0}, chunks);
  std::string joined;
  for (const Chunk& chunk : chunks) joined += chunk.text;
  EXPECT_EQ(joined, document.text);
}

TEST(Chunker, AShortDocumentIsOneChunk) {
  const auto document = DocumentBuilder()
                            .heading(1, "Guide")
                            .paragraph("Read this.", 1)
                            .heading(2, "Install")
                            .paragraph("Run it.", 2)
                            .build();
  const auto chunks = chunk_document(document, {});
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].text, document.text);
  EXPECT_EQ(chunks[0].heading_path, "Guide");
  EXPECT_EQ(chunks[0].page_first, 1);
  EXPECT_EQ(chunks[0].page_last, 2);
  EXPECT_EQ(chunks[0].kind, ChunkKind::prose);
}

TEST(Chunker, SectionsKeepTheirHeadingsAndPaths) {
  const auto document = DocumentBuilder()
                            .heading(1, "# Guide")
                            .heading(2, "Install")
                            .heading(3, "From source")
                            .paragraph(sentences(30, "compilers"))
                            .heading(3, "Packages")
                            .paragraph(sentences(30, "packages"))
                            .heading(2, "Operate")
                            .paragraph(sentences(30, "backups"))
                            .build();
  const auto chunks = chunk_document(document, {.size = 800, .overlap = 100});
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_THAT(chunks[0].text, StartsWith("# Guide\n\nInstall\n\nFrom source\n\nSentence 0"));
  EXPECT_EQ(chunks[0].heading_path, "Guide");
  EXPECT_THAT(chunks[1].text, StartsWith("Packages\n\nSentence 0 tells about packages"));
  EXPECT_EQ(chunks[1].heading_path, "Guide › Install › Packages");
  EXPECT_THAT(chunks[2].text, StartsWith("Operate\n\n"));
  EXPECT_EQ(chunks[2].heading_path, "Guide › Operate");
}

TEST(Chunker, SmallSiblingsAreMerged) {
  DocumentBuilder builder;
  builder.heading(1, "Options");
  for (int i = 0; i < 40; ++i) builder.heading(2, "Option " + std::to_string(i)).paragraph("It sets a value.");
  const auto chunks = chunk_document(builder.build(), {.size = 400, .overlap = 50});
  EXPECT_LE(chunks.size(), 4u);
  for (const Chunk& chunk : chunks) {
    EXPECT_GE(chunk.tokens, 50);
    EXPECT_THAT(chunk.text, testing::Not(testing::EndsWith("Option 9")));
    EXPECT_EQ(chunk.heading_path, "Options");
  }
}

TEST(Chunker, SubstantialMainPartsStayApart) {
  const auto document = DocumentBuilder()
                            .heading(1, "First")
                            .paragraph(sentences(12))
                            .heading(1, "Second")
                            .paragraph(sentences(12))
                            .build();
  const auto chunks = chunk_document(document, {.size = 800, .overlap = 100});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].heading_path, "First");
  EXPECT_EQ(chunks[1].heading_path, "Second");
}

TEST(Chunker, HeadingPathsAreWhatAReaderSees) {
  const std::pair<const char*, const char*> cases[] = {
      {"## **Step two**: `run` [the tool](https://example.com/a)", "Step two: run the tool"},
      {"# C#", "C#"},
      {"# Closed ##", "Closed"},
      {"# a_b [not a link]", "a_b [not a link]"},
      {"# [broken](link", "[broken](link"},
  };
  for (const auto& [markdown, path] : cases) {
    const auto document = DocumentBuilder().heading(1, markdown).paragraph(sentences(3)).build();
    EXPECT_EQ(chunk_document(document, {}).at(0).heading_path, path);
  }
}

TEST(Chunker, AHeadingIsNeverLeftBehindItsText) {
  DocumentBuilder builder;
  for (int i = 0; i < 30; ++i)
    builder.heading(1 + i % 3, "Heading " + std::to_string(i)).paragraph(sentences(3 + i % 5));
  for (const int size : {80, 150, 400}) {
    for (const Chunk& chunk : chunk_document(builder.build(), {.size = size, .overlap = size / 5})) {
      const std::string last_line = chunk.text.substr(chunk.text.rfind('\n') + 1);
      EXPECT_THAT(last_line, testing::Not(StartsWith("Heading"))) << chunk.text;
    }
  }
}

TEST(Chunker, ProseIsCutBetweenSentencesWithOverlap) {
  const auto document = DocumentBuilder().paragraph(sentences(120)).build();
  const ChunkingOptions options{.size = 200, .overlap = 50};
  const auto chunks = chunk_document(document, options);
  expect_invariants(document, options, chunks);
  ASSERT_GE(chunks.size(), 5u);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_THAT(chunks[i].text, StartsWith("Sentence "));
    EXPECT_GE(chunks[i].tokens, 100);
    if (i > 0) {
      const auto overlap = slice_code_points(document.text, chunks[i].begin, chunks[i - 1].end);
      EXPECT_GE(count_tokens(overlap), 20);
    }
  }
}

TEST(Chunker, ChineseIsCutAfterItsStops) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "数据库的索引结构决定了查询的速度，缓存决定了延迟。";
  const auto document = DocumentBuilder().paragraph(text).build();
  const ChunkingOptions options{.size = 200, .overlap = 60};
  const auto chunks = chunk_document(document, options);
  expect_invariants(document, options, chunks);
  ASSERT_GE(chunks.size(), 7u);
  for (const Chunk& chunk : chunks) {
    EXPECT_THAT(chunk.text, StartsWith("数据库"));
    EXPECT_THAT(chunk.text, testing::EndsWith("。"));
  }
}

TEST(Chunker, ParagraphsAreBetterCutsThanSentences) {
  DocumentBuilder builder;
  for (int i = 0; i < 20; ++i) builder.paragraph(sentences(7, "part" + std::to_string(i)));
  for (const Chunk& chunk : chunk_document(builder.build(), {.size = 300, .overlap = 0})) {
    EXPECT_THAT(chunk.text, StartsWith("Sentence 0"));
  }
}

TEST(Chunker, CodeIsCutBeforeDefinitions) {
  std::string code = "#include <vector>\n\n";
  for (int i = 0; i < 30; ++i) {
    code += "// Adds " + std::to_string(i) + ".\nint add" + std::to_string(i) +
            "(int value) {\n  int result = value;\n\n" + "  result += " + std::to_string(i) +
            ";\n  return result;\n}\n\n";
  }
  const auto document = DocumentBuilder().block(BlockKind::code, code).build();
  const ChunkingOptions options{.size = 150, .overlap = 0};
  const auto chunks = chunk_document(document, options);
  expect_invariants(document, options, chunks);
  ASSERT_GT(chunks.size(), 3u);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].kind, ChunkKind::code);
    EXPECT_THAT(chunks[i].text, StartsWith(i == 0 ? "#include" : "// Adds"));
  }
}

TEST(Chunker, SourceFilesAndTheCodeStrategyAreCutAsCode) {
  std::string code;
  for (int i = 0; i < 40; ++i) code += "def f" + std::to_string(i) + "(x):\n    y = x + 1\n    return y\n";
  auto document = DocumentBuilder().paragraph(code).build();
  document.media_type = "text/x-python";
  const auto automatic = chunk_document(document, {.size = 100, .overlap = 0});
  document.media_type = "text/plain";
  const auto explicit_code = chunk_document(document, {.strategy = ChunkingStrategy::code, .size = 100, .overlap = 0});
  ASSERT_GT(automatic.size(), 3u);
  EXPECT_EQ(automatic.size(), explicit_code.size());
  for (const Chunk& chunk : automatic) {
    EXPECT_EQ(chunk.kind, ChunkKind::code);
    EXPECT_THAT(chunk.text, StartsWith("def f"));
  }
}

TEST(Chunker, TablesAreCutBetweenRowsAndTheHeaderKeepsARow) {
  std::string table = "| name | value |\n|---|---|\n";
  for (int i = 0; i < 60; ++i) table += "| row " + std::to_string(i) + " | some text here |\n";
  const auto document = DocumentBuilder().paragraph(sentences(9)).block(BlockKind::table, table).build();
  const ChunkingOptions options{.size = 160, .overlap = 0};
  const auto chunks = chunk_document(document, options);
  expect_invariants(document, options, chunks);
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].kind, ChunkKind::table);
    EXPECT_THAT(chunks[i].text, StartsWith("| "));
    EXPECT_THAT(chunks[i].text, testing::EndsWith("|\n"));
  }
  const auto header = std::find_if(chunks.begin(), chunks.end(),
                                   [](const Chunk& chunk) { return chunk.text.find("| name |") != std::string::npos; });
  ASSERT_NE(header, chunks.end());
  EXPECT_THAT(header->text, HasSubstr("| row 0 |"));
}

TEST(Chunker, MarkdownStrategyFindsHeadingsInPlainText) {
  const std::string text = "# One\n" + sentences(30) + "\n# Two\n" + sentences(30) + "\n";
  const auto document = DocumentBuilder().paragraph(text).build();
  const auto chunks = chunk_document(document, {.strategy = ChunkingStrategy::markdown, .size = 600, .overlap = 0});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].heading_path, "One");
  EXPECT_THAT(chunks[1].text, StartsWith("# Two\n"));
  EXPECT_EQ(chunks[1].heading_path, "Two");
}

TEST(Chunker, CharactersStrategyMakesFixedWindows) {
  const auto document = DocumentBuilder().heading(1, "题目").paragraph("一二三四五六七八九十").build();
  const auto chunks = chunk_document(document, {.strategy = ChunkingStrategy::characters, .size = 6, .overlap = 2});
  std::vector<std::string> texts;
  for (const Chunk& chunk : chunks) texts.push_back(chunk.text);
  EXPECT_THAT(texts, ElementsAre("题目\n\n一二", "一二三四五六", "五六七八九十"));
  EXPECT_EQ(chunks[2].heading_path, "题目");
}

TEST(Chunker, UnsoundBlocksDoNoHarm) {
  Document document;
  document.text = "Some text that is short.";
  document.blocks = {{.begin = 5, .end = 900}, {.begin = 2, .end = 4}, {.begin = 30, .end = 20}};
  const auto chunks = chunk_document(document, {});
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].text, "text that is short.");
}

TEST(Chunker, AbsurdSizesAreClamped) {
  const auto document = DocumentBuilder().paragraph("a few words 和中文").build();
  for (const int size : {-5, 0, 1, 2, 3}) {
    const auto chunks = chunk_document(document, {.size = size, .overlap = 99});
    EXPECT_FALSE(chunks.empty());
    for (const Chunk& chunk : chunks) EXPECT_LE(chunk.tokens, std::max(1, size));
  }
}

// Words, signs, blanks and whole lines of several scripts, so that every cutting rule meets every other.
std::string random_text(std::mt19937& random, int parts) {
  static const std::vector<std::string> kParts = {
      "word",   "a",    "Longer",   "naïve",   "机器学习",
      "数据",   "。",   "，",       "！",      ". ",
      "? ",     ", ",   "; ",       ": ",      "\n",
      "\n\n",   " ",    "  ",       "😀",       "👨‍👩‍👧",
      "é",      "é",    "| ",       "|---|\n", "- ",
      "1. ",    "    ", "}\n",      "{\n",     "# ",
      "Привет", "ไทย",  "12,345.6", "x_y-z ",  "http://example.org/a/very/long/path?with=query&and=more#fragment",
      "　",     "（",   "）",       "\t"};
  std::string text;
  for (int i = 0; i < parts; ++i) text += kParts[random() % kParts.size()] + (random() % 3 == 0 ? " " : "");
  return text + "x";
}

Document random_document(std::mt19937& random) {
  constexpr std::array kGaps = {"\n\n", "\n", "", "</p><p class=\"wide\">", "\n\n---\n\n"};
  DocumentBuilder builder(kGaps[random() % kGaps.size()]);
  const int blocks = static_cast<int>(random() % 30);
  for (int i = 0; i < blocks; ++i) {
    const auto kind = static_cast<BlockKind>(random() % 6);
    if (kind == BlockKind::heading) {
      builder.heading(1 + static_cast<int>(random() % 6), random_text(random, 1 + random() % 6));
    } else {
      builder.block(kind, random_text(random, 1 + static_cast<int>(random() % 200)), i / 4);
    }
  }
  return builder.build();
}

TEST(Chunker, InvariantsHoldForRandomDocuments) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  constexpr std::array kSizes = {1, 2, 7, 30, 100, 400, 800};
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", round " << round);
    const Document document = random_document(random);
    ChunkingOptions options;
    options.strategy = static_cast<ChunkingStrategy>(random() % 6);
    options.size = kSizes[random() % kSizes.size()];
    options.overlap = static_cast<int>(random() % static_cast<unsigned>(options.size + 1));
    expect_invariants(document, options, chunk_document(document, options));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace ragtime::text
