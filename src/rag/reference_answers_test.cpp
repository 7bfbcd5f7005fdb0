// Questions about real documents in Chinese, answered by the built-in model over the real engine and database.

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "documents/file_parser.h"
#include "rag/answer.h"
#include "storage/temporary_directory_for_test.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

namespace fs = std::filesystem;

const fs::path kReference = fs::path(RAGTIME_SOURCE_DIR) / ".." / "shared" / "reference";

struct Expectation {
  std::string question;
  std::vector<std::string> answers;  // One of them is in the text.
  std::string filename;
};

void PrintTo(const Expectation& expectation, std::ostream* out) {
  *out << expectation.question;
}

class SilentEvents final : public AnswerEvents {
 public:
  Task<Result<void>> on_search_start(const std::vector<std::string>&) override { co_return Result<void>(); }
  Task<Result<void>> on_search_done(const engine::SearchResults&) override { co_return Result<void>(); }
  Task<Result<void>> on_delta(std::string_view) override { co_return Result<void>(); }
  Task<Result<void>> on_citation(const Citation&) override { co_return Result<void>(); }
};

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// The documents in a store, without an embedding model.
class Library {
 public:
  Library() {
    storage::VectorStoreRecord store;
    store.id = "vs_1";
    store.tenant = "tenant";
    store.name = "default";
    EXPECT_TRUE(database_->insert_store(store).has_value());
    engine_ = *engine::Engine::open({}, *database_, nullptr, compute_, blocking_);
    for (const auto& entry : fs::directory_iterator(kReference)) {
      if (entry.path().extension() == ".md") put(entry.path());
    }
  }

  Answer ask(const std::string& question) {
    const auto answerer = Answerer::create({}, *engine_, {}, compute_);
    AnswerRequest request;
    request.messages.push_back({"user", question});
    request.search.emplace().store_ids = {"vs_1"};
    SilentEvents events;
    return async::sync_wait(answerer->answer(std::move(request), events, context_)).value();
  }

  std::string text_of(const std::string& file_id) { return database_->get_document_text("vs_1", file_id).value(); }

 private:
  void put(const fs::path& path) {
    documents::ParseOptions options;
    options.filename = path.filename().string();
    engine::PutDocument put;
    put.tenant = "tenant";
    put.file.emplace();
    put.file->id = make_id("file-");
    put.file->tenant = "tenant";
    put.file->filename = options.filename;
    put.document.store_id = "vs_1";
    put.document.file_id = put.file->id;
    put.document.path = path.string();
    put.parsed = documents::parse_markdown(read_file(path), options).value();
    const auto outcome = async::sync_wait(engine_->put_document(std::move(put), context_));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  }

  storage::TemporaryDirectory directory_;
  async::ThreadPool compute_{{.name = "compute", .threads = 1}};
  async::ThreadPool blocking_{{.name = "blocking", .threads = 1}};
  std::unique_ptr<storage::Database> database_ = *storage::open_sqlite(directory_.path() / "test.db");
  std::unique_ptr<engine::Engine> engine_;
  RequestContext context_{"req", "tenant", Deadline::never()};
};

class ReferenceAnswers : public testing::TestWithParam<Expectation> {
 protected:
  void SetUp() override {
    if (!fs::exists(kReference)) GTEST_SKIP() << "the reference documents are not beside the source tree";
  }
};

TEST_P(ReferenceAnswers, TheRightSentenceComesFirst) {
  Library library;
  const Answer answer = library.ask(GetParam().question);
  const bool answered = std::any_of(GetParam().answers.begin(), GetParam().answers.end(),
                                    [&](const std::string& one) { return answer.text.find(one) != std::string::npos; });
  EXPECT_TRUE(answered) << answer.text;
  ASSERT_FALSE(answer.citations.empty()) << answer.text;
  const Citation& first = answer.citations.front();
  EXPECT_EQ(first.filename, GetParam().filename) << answer.text;
  EXPECT_TRUE(first.verified);
  EXPECT_EQ(text::slice_code_points(library.text_of(first.file_id), first.begin, first.end), first.quote);
}

INSTANTIATE_TEST_SUITE_P(
    Chinese, ReferenceAnswers,
    testing::Values(Expectation{"HNSW 的 ef_construction 默认值是多少", {"200"}, "rag-performance.md"},
                    Expectation{"vLLM 的 max_num_seqs 设为多少", {"32"}, "deep-research.md"},
                    Expectation{"情感分析结果缓存多长时间", {"30分钟", "30 分钟", "1800"}, "chat-performance.md"},
                    Expectation{"混合检索中向量权重是多少", {"0.7"}, "llm-module.md"},
                    Expectation{"第一个Token延迟用什么指标表示", {"Time to First Token"}, "rag-service.md"},
                    // Not among the documented ones: the scoring must carry over.
                    Expectation{"缓存默认 TTL 是多少", {"3600", "1小时"}, "chat-performance.md"},
                    Expectation{"记忆检索结果缓存多久", {"1小时", "3600"}, "chat-performance.md"},
                    Expectation{"vLLM 的 tensor_parallel_size 是多少", {"4"}, "deep-research.md"},
                    Expectation{"最大并发数建议设置为多少", {"50-100"}, "chat-performance.md"},
                    Expectation{"chunk_size 是多少", {"1000"}, "llm-module.md"}));

}  // namespace
}  // namespace ragtime::rag
