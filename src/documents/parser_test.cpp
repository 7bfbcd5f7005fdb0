#include "documents/parser.h"

#include <cstdlib>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "async/task.h"
#include "async/when_all.h"
#include "documents/testing/block_text.h"
#include "documents/testing/sample_files.h"

namespace ragtime::documents {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::outline;

class ParserTest : public ::testing::Test {
 protected:
  ParserTest() { config_.worker_program = RAGTIME_PARSE_WORKER; }

  Parser& parser() {
    if (parser_ == nullptr) parser_ = Parser::create(config_, pool_);
    return *parser_;
  }
  Result<text::Document> parse_at(const std::filesystem::path& path, const std::string& filename) {
    return async::sync_wait(parser().parse(path, filename, context_));
  }
  Result<text::Document> parse(const std::string& name, std::string_view bytes) {
    return parse_at(directory_.write(name, bytes), name);
  }
  Error refused(const std::string& name, std::string_view bytes) {
    const auto document = parse(name, bytes);
    EXPECT_TRUE(document.has_error()) << name;
    return document.has_error() ? document.error() : Error{};
  }

  // A worker that is a shell script: `after` runs once it has greeted and got its first request.
  void use_script(const std::string& after) {
    const auto script = directory_.write(
        "worker",
        "#!/bin/sh\nprintf '\\026\\000\\000\\000ragtime-parse-worker 1'\nhead -c 30 >/dev/null\n" + after + "\n");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    config_.worker_program = script;
  }

  testing::TemporaryDirectory directory_;
  async::ThreadPool pool_{{"test", 4, 100}};
  RequestContext context_{"test", "tenant", Deadline::never()};
  ParserConfig config_;
  std::unique_ptr<Parser> parser_;  // After the pool, so that it ends first.
};

TEST_F(ParserTest, EveryFormatThroughTheWorker) {
  const auto text = parse("a.txt", "plain 文本");
  ASSERT_TRUE(text.has_value());
  EXPECT_THAT(outline(*text), ElementsAre("paragraph:plain 文本"));
  const auto markdown = parse("a.md", "# 标题\n\nwords\n");
  ASSERT_TRUE(markdown.has_value()) << markdown.error().message;
  EXPECT_THAT(outline(*markdown), ElementsAre("heading1:# 标题", "paragraph:words"));
  const auto html = parse("a.html", "<h1>标题</h1><p>words");
  ASSERT_TRUE(html.has_value()) << html.error().message;
  EXPECT_THAT(outline(*html), ElementsAre("heading1:标题", "paragraph:words"));
  testing::write_docx(directory_.path() / "a.docx", testing::docx_paragraph("文字"));
  const auto docx = parse_at(directory_.path() / "a.docx", "a.docx");
  ASSERT_TRUE(docx.has_value()) << docx.error().message;
  EXPECT_THAT(outline(*docx), ElementsAre("paragraph:文字"));
}

TEST_F(ParserTest, PdfInsideTheJail) {
  if (std::system("pdftotext -v 2>/dev/null") != 0) GTEST_SKIP() << "pdftotext (poppler-utils) is missing";
  const auto pdf = parse("a.pdf", testing::make_pdf({"第一页", "page two"}, {.title = "Jailed"}));
  ASSERT_TRUE(pdf.has_value()) << pdf.error().message;
  EXPECT_THAT(outline(*pdf), ElementsAre("paragraph:第一页", "paragraph:page two"));
  EXPECT_EQ(pdf->title, "Jailed");
}

TEST_F(ParserTest, MissingPdftotextIsSaid) {
  const auto script = directory_.write("worker", "#!/bin/sh\nPATH=/nonexistent exec '" RAGTIME_PARSE_WORKER "'\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  config_.worker_program = script;
  const Error error = refused("a.pdf", testing::make_pdf({"words"}));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.message, HasSubstr("poppler-utils"));
}

TEST_F(ParserTest, RefusesWithAReason) {
  EXPECT_EQ(refused("a.md", "").code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused("a.md", " \n\t\n").code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused("a.txt", " \n").code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused("a.html", "<script>x</script>").code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused("a.txt", std::string_view("\0\1\2\3binary\0", 11)).code, ErrorCode::unsupported);
  EXPECT_EQ(refused("a.doc", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 word").code, ErrorCode::unsupported);
  EXPECT_EQ(parse_at(directory_.path() / "missing.txt", "missing.txt").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parse_at(directory_.path(), "directory.txt").error().code, ErrorCode::invalid_argument);
  const auto fifo = directory_.path() / "fifo.txt";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(parse_at(fifo, "fifo.txt").error().code, ErrorCode::invalid_argument) << "and does not wait for a writer";
}

TEST_F(ParserTest, LimitsOfFileAndText) {
  config_.file_bytes_max = 1000;
  config_.text_bytes_max = 100;
  EXPECT_EQ(refused("a.txt", std::string(1001, 'x')).code, ErrorCode::too_large);
  EXPECT_EQ(refused("a.md", std::string(101, 'x')).code, ErrorCode::too_large);
  EXPECT_EQ(refused("a.html", "<p>" + std::string(200, 'x')).code, ErrorCode::too_large);
  EXPECT_TRUE(parse("b.html", "<p>" + std::string(50, 'x')).has_value());
}

TEST_F(ParserTest, HostileNames) {
  for (const char* name : {"-rf", "a\nb.md", "$(x).html", "\xFF.md", "..md", " "}) {
    EXPECT_TRUE(parse(name, "# words\n").has_value()) << name;
  }
  const auto file = directory_.write("a.md", "# x\n");
  EXPECT_EQ(parse_at(file, std::string(100'000, 'n') + ".md").error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(parse_at(file, "../../../etc/passwd.md").has_value());
}

TEST_F(ParserTest, MemoryHungryFileCostsOnlyItsWorker) {
  if (!testing::kAllocationsMayFail) GTEST_SKIP() << "built with a sanitizer";
  config_.worker_memory_bytes = 48u << 20;
  std::string page;
  for (int i = 0; i < 400'000; ++i) page += "<b>x</b>";
  const Error error = refused("hungry.html", page);
  EXPECT_EQ(error.code, ErrorCode::too_large);
  EXPECT_THAT(error.message, HasSubstr("memory"));
  EXPECT_TRUE(parse("fine.html", "<p>fine").has_value());
}

TEST_F(ParserTest, SlowFileIsStopped) {
  config_.worker_time = std::chrono::seconds(1);
  use_script("exec tail -f /dev/null");
  const Error error = refused("a.md", "# x\n");
  EXPECT_EQ(error.code, ErrorCode::deadline_exceeded);
  EXPECT_THAT(error.message, HasSubstr("1 s"));
}

TEST_F(ParserTest, DeadlineOfTheRequest) {
  use_script("exec tail -f /dev/null");
  const auto file = directory_.write("a.md", "# x\n");
  RequestContext hurried("hurried", "tenant", Deadline::after(std::chrono::milliseconds(200)));
  const auto document = async::sync_wait(parser().parse(file, "a.md", hurried));
  ASSERT_TRUE(document.has_error());
  EXPECT_EQ(document.error().code, ErrorCode::deadline_exceeded);
}

TEST_F(ParserTest, CancellationKillsTheWholeGroup) {
  const auto started = directory_.path() / "started";
  ASSERT_EQ(::mkfifo(started.c_str(), 0600), 0);
  // The grandchild keeps the FIFO open for as long as it lives.
  use_script("tail -f /dev/null > '" + started.string() + "'");
  const auto file = directory_.write("a.md", "# x\n");
  std::jthread canceller([&] {
    std::ifstream fifo(started);  // Returns when the grandchild runs.
    context_.cancel();
    EXPECT_EQ(fifo.get(), std::char_traits<char>::eof()) << "the grandchild is gone";
  });
  const auto document = async::sync_wait(parser().parse(file, "a.md", context_));
  ASSERT_TRUE(document.has_error());
  EXPECT_EQ(document.error().code, ErrorCode::cancelled);
}

TEST_F(ParserTest, CrashIsReportedAndRepaired) {
  const auto crashed = directory_.path() / "crashed";
  // Crashes once; afterwards it is the real worker.
  const auto script = directory_.write("worker", "#!/bin/sh\nif [ -e '" + crashed.string() +
                                                     "' ]; then exec '" RAGTIME_PARSE_WORKER
                                                     "' parse-worker; fi\n"
                                                     "touch '" +
                                                     crashed.string() +
                                                     "'\nprintf '\\026\\000\\000\\000ragtime-parse-worker 1'\n"
                                                     "head -c 30 >/dev/null\nkill -SEGV $$\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  config_.worker_program = script;
  const Error error = refused("a.md", "# x\n");
  EXPECT_EQ(error.code, ErrorCode::internal);
  EXPECT_THAT(error.message, HasSubstr("signal 11"));
  EXPECT_TRUE(parse("a.md", "# x\n").has_value());
}

TEST_F(ParserTest, WorkersThatAreNone) {
  config_.worker_program = "/bin/false";
  EXPECT_EQ(refused("a.md", "# x\n").code, ErrorCode::internal);
  parser_.reset();
  config_.worker_program = "/bin/echo";
  EXPECT_EQ(refused("a.md", "# x\n").code, ErrorCode::internal);
  parser_.reset();
  config_.worker_program = "/nonexistent";
  EXPECT_EQ(refused("a.md", "# x\n").code, ErrorCode::unavailable);
}

TEST_F(ParserTest, ManyAtOnceOverTwoWorkers) {
  std::vector<Task<Result<text::Document>>> tasks;
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i) + ".md";
    tasks.push_back(parser().parse(directory_.write(name, "# " + std::to_string(i) + "\n"), name, context_));
  }
  const auto documents = async::sync_wait(async::when_all(std::move(tasks)));
  for (std::size_t i = 0; i < documents.size(); ++i) {
    ASSERT_TRUE(documents[i].has_value()) << documents[i].error().message;
    EXPECT_EQ(documents[i]->title, std::to_string(i));
  }
}

}  // namespace
}  // namespace ragtime::documents
