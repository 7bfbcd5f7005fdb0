#include "documents/worker_protocol.h"

#include <random>

#include <gtest/gtest.h>

namespace ragtime::documents {
namespace {

text::Document sample() {
  text::Document document;
  document.title = "标题";
  document.media_type = "application/pdf";
  document.text = "Head\n\n正文 text";
  document.pages = 2;
  text::Block head;
  head.kind = text::BlockKind::heading;
  head.end = 4;
  head.heading_level = 2;
  text::Block body;
  body.kind = text::BlockKind::code;
  body.begin = 6;
  body.end = document.text.size();
  body.page = 2;
  body.language = "cpp";
  document.blocks = {head, body};
  return document;
}

TEST(WorkerProtocolTest, DocumentsSurvive) {
  const auto decoded = decode_reply(encode(Result<text::Document>(sample())));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->title, "标题");
  EXPECT_EQ(decoded->media_type, "application/pdf");
  EXPECT_EQ(decoded->text, sample().text);
  EXPECT_EQ(decoded->pages, 2);
  ASSERT_EQ(decoded->blocks.size(), 2u);
  EXPECT_EQ(decoded->blocks[0].heading_level, 2);
  EXPECT_EQ(decoded->blocks[1].kind, text::BlockKind::code);
  EXPECT_EQ(decoded->blocks[1].begin, 6u);
  EXPECT_EQ(decoded->blocks[1].end, sample().text.size());
  EXPECT_EQ(decoded->blocks[1].page, 2);
  EXPECT_EQ(decoded->blocks[1].language, "cpp");
}

TEST(WorkerProtocolTest, ErrorsSurvive) {
  const auto decoded = decode_reply(encode(Result<text::Document>(make_error(ErrorCode::too_large, "太大"))));
  ASSERT_TRUE(decoded.has_error());
  EXPECT_EQ(decoded.error().code, ErrorCode::too_large);
  EXPECT_EQ(decoded.error().message, "太大");
}

TEST(WorkerProtocolTest, RequestsSurvive) {
  const auto request = decode_request(encode(ParseRequest{Format::html, "/a/b\nc", "n\xFF", 1ull << 40}));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->format, Format::html);
  EXPECT_EQ(request->path, "/a/b\nc");
  EXPECT_EQ(request->filename, "n\xFF");
  EXPECT_EQ(request->text_bytes_max, 1ull << 40);
  const auto limits = decode_limits(encode(WorkerLimits{1ull << 33, 7}));
  ASSERT_TRUE(limits.has_value());
  EXPECT_EQ(limits->memory_bytes, 1ull << 33);
  EXPECT_EQ(limits->cpu_seconds, 7u);
}

TEST(WorkerProtocolTest, LyingWorkersAreNotBelieved) {
  const auto refused = [](text::Document document) {
    const auto decoded = decode_reply(encode(Result<text::Document>(std::move(document))));
    return decoded.has_error() && decoded.error().code == ErrorCode::internal;
  };
  text::Document document = sample();
  document.blocks[1].end += 1;
  EXPECT_TRUE(refused(document)) << "past the end";
  document = sample();
  document.blocks[1].begin = 7;
  EXPECT_TRUE(refused(document)) << "inside a character";
  document = sample();
  std::swap(document.blocks[0], document.blocks[1]);
  EXPECT_TRUE(refused(document)) << "out of order";
  document = sample();
  document.text[8] = '\xFF';
  EXPECT_TRUE(refused(document)) << "not UTF-8";
  document = sample();
  document.text[1] = '\0';
  EXPECT_TRUE(refused(document)) << "NUL";
  document = sample();
  document.blocks.clear();
  EXPECT_TRUE(refused(document)) << "no blocks";
  EXPECT_TRUE(decode_reply(encode(Result<text::Document>(make_error(ErrorCode::unauthenticated, "x")))).error().code ==
              ErrorCode::internal)
      << "a code that is none of the worker's business";
}

TEST(WorkerProtocolTest, AnyDamageIsAnErrorOrAWellFormedDocument) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string good = encode(Result<text::Document>(sample()));
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_TRUE(decode_reply(good.substr(0, length)).has_error()) << length;
  }
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    const auto decoded = decode_reply(bad);
    if (decoded.has_value()) {
      for (const text::Block& block : decoded->blocks) ASSERT_LE(block.end, decoded->text.size());
    }
    static_cast<void>(decode_request(bad));
  }
}

}  // namespace
}  // namespace ragtime::documents
