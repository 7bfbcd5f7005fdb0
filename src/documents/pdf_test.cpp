#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "documents/child_program.h"
#include "documents/testing/block_text.h"
#include "documents/testing/sample_files.h"

namespace ragtime::documents {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_pdf;
using testing::named;
using testing::outline;

class PdfTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (run_program({"pdftotext", "-v"}, 1 << 20).has_error()) GTEST_SKIP() << "pdftotext (poppler-utils) is missing";
  }

  Result<text::Document> parse(std::string_view bytes, const std::string& name = "paper.pdf") {
    return parse_pdf(directory_.write(name, bytes), named(name));
  }
  text::Document parsed(std::string_view bytes) {
    auto document = parse(bytes);
    EXPECT_TRUE(document.has_value()) << document.error().message;
    EXPECT_TRUE(document.has_value() && is_well_formed(*document));
    return document.has_value() ? std::move(*document) : text::Document{};
  }
  Error refused(std::string_view bytes) {
    const auto document = parse(bytes);
    EXPECT_TRUE(document.has_error());
    return document.has_error() ? document.error() : Error{};
  }

  testing::TemporaryDirectory directory_;
};

TEST_F(PdfTest, PagesAndTitle) {
  const text::Document document = parsed(make_pdf({"Hello page one", "", "Third page here"}, {.title = "A paper"}));
  EXPECT_THAT(outline(document), ElementsAre("paragraph:Hello page one", "paragraph:Third page here"));
  EXPECT_EQ(document.blocks[0].page, 1);
  EXPECT_EQ(document.blocks[1].page, 3);
  EXPECT_EQ(document.pages, 3);
  EXPECT_EQ(document.title, "A paper");
  EXPECT_EQ(document.media_type, "application/pdf");
}

TEST_F(PdfTest, TitleFallsBackToTheFile) {
  EXPECT_EQ(parsed(make_pdf({"words"}, {.title = "Microsoft Word - draft.doc"})).title, "paper");
  EXPECT_EQ(parsed(make_pdf({"words"})).title, "paper");
}

TEST_F(PdfTest, Chinese) {
  EXPECT_THAT(outline(parsed(make_pdf({"晋太元中，武陵人捕鱼为业。缘溪行，\n忘路之远近。忽逢桃花林。"}))),
              ElementsAre("paragraph:晋太元中，武陵人捕鱼为业。缘溪行，忘路之远近。忽逢桃花林。"));
}

TEST_F(PdfTest, WrappedLinesBecomeSentences) {
  EXPECT_THAT(outline(parsed(make_pdf({"The server reads the request on its thread and\nthen authen-\nticates it. "
                                       "Nothing else happens before\nthe deadline is known to everybody."}))),
              ElementsAre("paragraph:The server reads the request on its thread and then authenticates it. Nothing "
                          "else happens before the deadline is known to everybody."));
}

TEST_F(PdfTest, PageNumbersAreNoText) {
  EXPECT_THAT(outline(parsed(make_pdf({"12\n\n\n\nFirst words\n\n\n\n- 3 -", "1984"}))),
              ElementsAre("paragraph:First words", "paragraph:1984"));
}

TEST_F(PdfTest, EncryptedIsRefused) {
  const Error error = refused(make_pdf({"secret"}, {.encrypted = true}));
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("encrypted: remove the password first"));
}

TEST_F(PdfTest, WithoutTextAsksForOcr) {
  const Error error = refused(make_pdf({"", ""}));
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("OCR"));
}

TEST_F(PdfTest, DamagedIsRefused) {
  for (const std::string& bytes : {std::string("%PDF-1.4\nnothing"), make_pdf({"words"}).substr(0, 300)}) {
    const Error error = refused(bytes);
    EXPECT_EQ(error.code, ErrorCode::invalid_argument);
    EXPECT_THAT(error.message, HasSubstr("damaged"));
  }
}

TEST_F(PdfTest, MissingTableIsRebuilt) {
  std::string bytes = make_pdf({"still here"});
  bytes.resize(bytes.rfind("xref\n0"));
  const auto document = parse(bytes);
  if (document.has_value()) {
    EXPECT_THAT(outline(*document), ElementsAre("paragraph:still here"));
  } else {
    EXPECT_EQ(document.error().code, ErrorCode::invalid_argument);
  }
}

TEST_F(PdfTest, HostileNames) {
  for (const char* name : {"-layout", "a b;rm -rf $(HOME)`x`.pdf", "line\nbreak.pdf", "\xFF\xFE.pdf", "-"}) {
    const auto document = parse(make_pdf({"words"}), name);
    ASSERT_TRUE(document.has_value()) << name << ": " << document.error().message;
    EXPECT_TRUE(is_well_formed(*document));
  }
}

TEST_F(PdfTest, LimitOfText) {
  ParseOptions options = named("a.pdf");
  options.text_bytes_max = 20;
  const auto document = parse_pdf(directory_.write("a.pdf", make_pdf({std::string(60, 'x')})), options);
  ASSERT_TRUE(document.has_error());
  EXPECT_EQ(document.error().code, ErrorCode::too_large);
}

TEST(ChildProgramTest, CollectsBothStreamsAndTheExitCode) {
  const auto output = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"}, 100);
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(output->exit_code, 3);
}

TEST(ChildProgramTest, SignalIsTold) {
  const auto output = run_program({"sh", "-c", "kill -ABRT $$"}, 100);
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, -SIGABRT);
}

TEST(ChildProgramTest, MissingProgram) {
  const auto output = run_program({"no-such-program-here"}, 100);
  ASSERT_TRUE(output.has_error());
  EXPECT_EQ(output.error().code, ErrorCode::unavailable);
}

TEST(ChildProgramTest, EndlessOutputIsStopped) {
  const auto output = run_program({"sh", "-c", "while :; do echo xxxxxxxxxxxxxxxx; done"}, 1000);
  ASSERT_TRUE(output.has_error());
  EXPECT_EQ(output.error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace ragtime::documents
